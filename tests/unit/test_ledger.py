"""The ledger: what it watches, what has vanished, and what is no loss."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from borgpull.errors import ArchivesVanished, ConfigError
from borgpull.model import Result
from borgpull.ops import ledger

CLIENT = "web1"


@pytest.fixture
def state(tmp_path: Path) -> Path:
    (tmp_path / "clients" / CLIENT).mkdir(parents=True)
    return tmp_path


def listed(*pairs: str) -> list[dict[str, Any]]:
    """`a:1` is an archive called a with the borg id 1."""
    rows = [pair.split(":") for pair in pairs]
    return [{"name": name, "id": borg_id, "time": "2026-01-01"} for name, borg_id in rows]


def result(name: str) -> Result:
    data = {"archive": name, "archive_id": f"id of {name} before the renaming"}
    return Result(verb="sshfs", client=CLIENT, data=data)


def recorded(state: Path, *pairs: str) -> None:
    for name, _, borg_id in (pair.partition(":") for pair in pairs):
        ledger.record(state, result(name), borg_id or None)


def lost(state: Path, *pairs: str) -> list[tuple[str, str | None, bool]]:
    found = ledger.vanished(state, CLIENT, listed(*pairs))
    return [(item["name"], item["id"], item["replaced"]) for item in found]


def test_nothing_is_watched_without_a_ledger(state: Path) -> None:
    assert lost(state) == []
    assert ledger.vanished(state, "other", []) == []


def test_missing_and_replaced(state: Path) -> None:
    recorded(state, "a:1", "b:2", "c")
    assert lost(state, "a:1", "b:2", "c:3") == []
    assert lost(state, "a:1", "c:3", "x.unverified-1:9") == [("b", "2", False)]
    assert lost(state, "a:9", "b:2", "c:3") == [("a", "1", True)]
    assert lost(state, "a:1", "b:2") == [("c", None, False)]


def test_lines_of_before_are_read(state: Path) -> None:
    """Archives were recorded without a final id; lines may be cut, or no objects."""
    path = ledger.path_of(state, CLIENT)
    path.write_text('{"time": 0, "archive": "a", "archive_id": "7"}\n[1]\n{"time": 1, "arch')
    assert lost(state, "a:1") == []
    assert lost(state) == [("a", None, False)]
    recorded(state, "b")
    assert [entry["archive"] for entry in ledger.entries(state, CLIENT)] == ["a", "b"]


def test_an_id_that_was_seen_cannot_be_replaced(state: Path) -> None:
    recorded(state, "a", "gone")
    ledger.see(state, CLIENT, listed("a:1"))
    ledger.see(state, CLIENT, listed("a:2"))
    assert lost(state, "a:1") == [("gone", None, False)]
    assert sorted(lost(state, "a:2")) == [("a", "1", True), ("gone", None, False)]
    assert len(ledger.lines(state, CLIENT)) == 3


@pytest.mark.parametrize(
    ("before", "after", "still_lost"),
    [
        ("a:1 b:2", "b:2", []),  # delete, prune
        ("a:1 b:2", "z:5 b:2", []),  # rename
        ("a:1 b:2", "a:6 b:2", []),  # recreate
        ("a:1 b:2 u.unverified-1:8", "a:1 b:2", []),
        ("a:1", "a:1 c:7", ["b"]),  # b had vanished before
        ("b:2 a:9", "b:2", ["a"]),  # a had been replaced before: what we removed is another
        ("b:2 a:9", "b:2 a:10", ["a"]),
        ("b:2 a:9", "b:2 z:11", ["a"]),
    ],
)
def test_what_our_own_command_did_is_no_loss(
    state: Path, before: str, after: str, still_lost: list[str]
) -> None:
    recorded(state, "a:1", "b:2")
    rows = [listed(*text.split()) for text in (before, after)]
    ledger.record_command(state, CLIENT, ["prune"], *rows)
    assert [name for name, _, _ in lost(state, *after.split())] == still_lost


def test_what_our_own_command_made_is_watched(state: Path) -> None:
    recorded(state, "a")
    rows = listed("a:1"), listed("z:5", "z.checkpoint:6")
    ledger.record_command(state, CLIENT, ["rename"], *rows)
    assert lost(state) == [("z", "5", False)]


def test_a_command_that_changed_nothing_leaves_no_line(state: Path) -> None:
    ledger.record_command(state, CLIENT, ["prune"], listed("a:1"), listed("a:1"))
    assert ledger.lines(state, CLIENT) == []


def test_acknowledged_is_over_for_these_only(state: Path) -> None:
    recorded(state, "a:1", "b", "c:3")
    rows = ledger.vanished(state, CLIENT, listed("c:3"))
    ledger.acknowledge(state, CLIENT, rows)
    ledger.acknowledge(state, CLIENT, [])
    assert lost(state, "c:3") == []
    assert lost(state, "c:4") == [("c", "3", True)]
    recorded(state, "a:9")  # a new archive of an old name
    assert lost(state, "c:3") == [("a", "9", False)]


def test_the_end_of_a_backup(state: Path) -> None:
    ledger.conclude(state, result("a"), [])  # a listing of before
    ledger.conclude(state, result("b"), listed("a:1", "b:2"))  # one of after
    assert lost(state, "a:9", "b:2") == []
    assert lost(state, "a:1", "b:9") == [("b", "2", True)]
    for _ in range(2):  # until somebody has looked
        with pytest.raises(ArchivesVanished, match=r"archive c is verified, but 1 .* vanished: b"):
            ledger.conclude(state, result("c"), listed("a:1"))
    assert lost(state, "a:1", "b:2") == [("c", None, False)]
    assert ledger.entries(state, CLIENT)[-1]["archive"] == "c"


def test_a_new_archive_does_not_stand_for_a_lost_one_of_its_name(state: Path) -> None:
    recorded(state, "a:1")
    with pytest.raises(ArchivesVanished):
        ledger.conclude(state, result("a"), [])


def test_the_message_names_some(state: Path) -> None:
    recorded(state, *(f"a{number}:1" for number in range(8)))
    with pytest.raises(ArchivesVanished, match=r"nothing.*8 .*: a0, a1, a2, a3, a4 and 3 more"):
        ledger.require_none_vanished(state, CLIENT, [], "nothing is freed")


def test_what_cannot_be_recorded_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError):
        ledger.record(tmp_path, result("a"))
