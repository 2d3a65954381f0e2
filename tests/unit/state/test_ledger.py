"""The ledger: what it watches, what has vanished, and what is no loss."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import pytest

from borgpull.errors import (
    ArchiveMissing,
    ArchivesVanished,
    ConfigError,
    DiskFull,
    LedgerUnreadable,
    StrangeArchives,
)
from borgpull.jobs import List
from borgpull.ops import standing
from borgpull.ops.standing import Judged
from borgpull.places import Places
from borgpull.state import ledger

CLIENT = "web1"
TIME = "2026-01-01T00:00:00+00:00"
LATER = "2031-01-01T00:00:00+00:00"


@pytest.fixture
def state(tmp_path: Path) -> Path:
    (tmp_path / "clients" / CLIENT).mkdir(parents=True)
    return tmp_path


def listed(*pairs: str) -> list[dict[str, Any]]:
    """`a:1` is an archive called a with the borg id 1."""
    rows = [pair.split(":") for pair in pairs]
    return [{"name": name, "id": borg_id, "time": TIME} for name, borg_id in rows]


def recorded(state: Path, *pairs: str) -> None:
    """Without an id, as an older version did it."""
    for name, _, borg_id in (pair.partition(":") for pair in pairs):
        data = {"archive": name, "archive_id": f"id of {name} before the renaming"}
        if borg_id:
            ledger.record(state, CLIENT, data, {"id": borg_id, "time": TIME})
        else:
            ledger._add(state, CLIENT, data)


def judged(state: Path, *pairs: str, client: str = CLIENT) -> Judged:
    job = List(client=client, places=Places(state=str(state)))
    return standing.judge(job, listed(*pairs))


def standings(state: Path, *pairs: str) -> list[str]:
    return [row["standing"] for row in judged(state, *pairs).rows]


def lost(state: Path, *pairs: str) -> list[tuple[str, str | None, bool]]:
    found = judged(state, *pairs).vanished
    return [(item["name"], item["id"], item["replaced"]) for item in found]


def test_nothing_is_watched_without_a_ledger(state: Path) -> None:
    assert lost(state) == []
    assert judged(state, client="other").vanished == []


def test_missing_and_replaced(state: Path) -> None:
    recorded(state, "a:1", "b:2", "c")
    assert lost(state, "a:1", "b:2", "c:3") == []
    assert lost(state, "a:1", "c:3", "x.unverified-1:9") == [("b", "2", False)]
    assert lost(state, "a:9", "b:2", "c:3") == [("a", "1", True)]
    assert lost(state, "a:1", "b:2") == [("c", None, False)]


def test_lines_of_before_are_read(state: Path) -> None:
    """Archives were recorded without a final id; the last line may be cut."""
    path = ledger.path_of(state, CLIENT)
    path.write_text('{"time": 0, "archive": "a", "archive_id": "7"}\n{"time": 1, "arch')
    assert lost(state, "a:1") == []
    assert lost(state) == [("a", None, False)]
    recorded(state, "b")
    assert [entry["archive"] for entry in ledger.entries(state, CLIENT)] == ["a", "b"]
    assert len(path.read_text().splitlines()) == 2
    path.write_bytes(path.read_bytes()[:-1])  # only the newline is missing
    recorded(state, "c")
    assert [entry["archive"] for entry in ledger.entries(state, CLIENT)] == ["a", "b", "c"]


@pytest.mark.parametrize(
    "bad",
    [
        *("{", "", "[1]", "{}", "\0\0", "null", '{"time": "x", "archive": "a"}'),
        *('{"time": -1, "archive": "a"}', '{"time": 1e999, "archive": "a"}', '{"archive": 5}'),
        *('{"event": "seen"}', '{"event": "command", "removed": []}', "[" * 100000),
        '{"event": "adopted", "archives": [["a"]]}',
    ],
)
def test_a_bad_line_that_is_not_the_last_is_an_error(state: Path, bad: str) -> None:
    good = '{"time": 0, "archive": "a"}\n'
    ledger.path_of(state, CLIENT).write_text(f"{good}{bad}\n{good}")
    with pytest.raises(LedgerUnreadable, match="damaged in line 2"):
        judged(state, "a:1")


def test_what_cannot_be_read_is_not_taken_for_no_ledger(state: Path) -> None:
    ledger.path_of(state, CLIENT).mkdir()
    with pytest.raises(LedgerUnreadable):
        judged(state, "a:1")


def test_a_line_of_a_later_version_is_passed_over(state: Path) -> None:
    ledger.path_of(state, CLIENT).write_text('{"time": 0, "event": "of tomorrow"}\n')
    assert standings(state, "a:1") == ["stranger"]


def test_a_line_that_cannot_be_written_whole_is_taken_back(
    state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorded(state, "a:1")
    before = ledger.path_of(state, CLIENT).read_bytes()
    write, calls = os.pwrite, iter([1, 0])

    def full(fd: int, data: bytes, at: int) -> int:
        if not next(calls):
            raise OSError(errno.ENOSPC, "full")
        return write(fd, data[:5], at)

    monkeypatch.setattr(os, "pwrite", full)
    with pytest.raises(DiskFull):
        recorded(state, "b:2")
    assert ledger.path_of(state, CLIENT).read_bytes() == before


def test_the_standing_of_each_archive(state: Path) -> None:
    ledger.see(state, CLIENT, listed("old:1"))
    recorded(state, "a:2", "b")
    rows = ("old:1", "a:2", "b:3", "x:9", "a.unverified-1:4", "a.checkpoint:5")
    assert standings(state, *rows) == [
        *("not_known", "verified", "verified", "stranger", "unverified", "unverified")
    ]
    assert standings(state, "old:7", "a:7") == ["stranger", "stranger"]  # replaced


def test_latest_is_no_stranger(state: Path) -> None:
    ledger.see(state, CLIENT, [])
    with pytest.raises(ArchiveMissing):
        judged(state, "x:9").chosen("latest")
    recorded(state, "a:1")
    found = judged(state, "a:1", "x:9")
    assert found.chosen("latest")["name"] == "a"
    assert found.chosen(None)["name"] == "a"
    assert found.chosen("x")["standing"] == "stranger"
    assert [row["name"] for row in standing.counting(found.rows)] == ["a"]


def test_without_a_ledger_nothing_is_verified_and_a_restore_still_works(state: Path) -> None:
    found = judged(state, "a:1", "b:2", "c.unverified-1:3")
    assert standings(state, "a:1") == ["not_known"]
    assert found.chosen("latest")["name"] == "b"
    with pytest.raises(StrangeArchives) as refused:
        found.require_no_strangers("nothing is removed")
    assert "--adopt-not-known" in refused.value.hint
    ledger.see(state, CLIENT, listed("a:1", "b:2"))
    recorded(state, "n:5")
    assert judged(state, "n:5", "b:2").chosen("latest")["name"] == "n"


def test_nothing_is_removed_while_strangers_are_there(state: Path) -> None:
    recorded(state, "a:1")
    judged(state, "a:1", "u.unverified-1:2").require_no_strangers("x")
    with pytest.raises(StrangeArchives, match=r"1 archive\(s\) of web1: u.unverified-1"):
        judged(state, "a:1", "u.unverified-1:2").require_no_strangers("x", unverified=True)
    with pytest.raises(StrangeArchives):
        judged(state, "a:1", "x:9").require_no_strangers("x")
    ledger.adopt(state, CLIENT, listed("x:9"))
    judged(state, "a:1", "x:9").require_no_strangers("x")
    assert lost(state, "a:1") == [("x", "9", False)]
    assert standings(state, "x:8") == ["stranger"]


def test_an_id_that_was_seen_cannot_be_replaced(state: Path) -> None:
    recorded(state, "a", "gone")
    ledger.see(state, CLIENT, listed("a:1"))
    ledger.see(state, CLIENT, listed("a:2"))
    assert lost(state, "a:1") == [("gone", None, False)]
    assert sorted(lost(state, "a:2")) == [("a", "1", True), ("gone", None, False)]
    assert len(ledger.lines(state, CLIENT)) == 3


def test_what_was_gone_before_its_id_was_known_has_no_namesake(state: Path) -> None:
    recorded(state, "a", "gone")
    ledger.see(state, CLIENT, listed("a:1"))
    assert standings(state, "a:1", "gone:2") == ["verified", "stranger"]
    rows = judged(state, "a:1", "gone:2").vanished
    assert [(row["name"], row["id"], row["replaced"]) for row in rows] == [("gone", None, True)]
    ledger.acknowledge(state, CLIENT, rows)
    assert lost(state, "a:1", "gone:2") == []


def retimed(*pairs: str) -> list[dict[str, Any]]:
    return [{**row, "time": LATER} for row in listed(*pairs)]


def test_another_time_makes_no_archive_the_newest(state: Path) -> None:
    """A client wrote it into the list, by which `latest` and `prune` go."""
    recorded(state, "a:1", "b:2")
    job = List(client=CLIENT, places=Places(state=str(state)))
    found = standing.judge(job, [*listed("b:2"), *retimed("a:1")])
    assert [row["standing"] for row in found.rows] == ["verified", "stranger"]
    assert found.chosen("latest")["name"] == "b"
    assert [(row["name"], row["replaced"]) for row in found.vanished] == [("a", True)]
    with pytest.raises(StrangeArchives):
        found.require_no_strangers("x")
    ledger.adopt(state, CLIENT, retimed("a:1"))  # somebody wants it as it is
    found = standing.judge(job, [*listed("b:2"), *retimed("a:1")])
    assert ([row["standing"] for row in found.rows], found.vanished) == (["verified"] * 2, [])


@pytest.mark.parametrize("made", ["seen", "command", "adopted", "record"])
def test_times_are_known_whoever_records_an_archive(state: Path, made: str) -> None:
    if made == "seen":  # of a line of before
        ledger._add(state, CLIENT, {"archive": "a", "id": "1"})
        ledger.see(state, CLIENT, listed("a:1"))
    elif made == "command":
        ledger.record_command(state, CLIENT, ["rename"], [], listed("a:1"))
    elif made == "adopted":
        ledger.adopt(state, CLIENT, listed("a:1"))
    else:
        recorded(state, "a:1")
    ledger.see(state, CLIENT, retimed("a:1"))
    job = List(client=CLIENT, places=Places(state=str(state)))
    assert [row["standing"] for row in standing.judge(job, retimed("a:1")).rows] == ["stranger"]


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
    rows = judged(state, "c:3").vanished
    ledger.acknowledge(state, CLIENT, rows)
    ledger.acknowledge(state, CLIENT, [])
    assert lost(state, "c:3") == []
    assert lost(state, "c:4") == [("c", "3", True)]
    recorded(state, "a:9")  # a new archive of an old name
    assert lost(state, "c:3") == [("a", "9", False)]


def test_what_a_repair_brings_back_is_a_stranger(state: Path) -> None:
    recorded(state, "a:1")
    rows = listed("a:1"), listed("a:1", "z:5")
    ledger.record_command(state, CLIENT, ["check", "--repair"], *rows, makes=False)
    assert standings(state, "a:1", "z:5") == ["verified", "stranger"]


def test_the_message_names_some(state: Path) -> None:
    recorded(state, *(f"a{number}:1" for number in range(8)))
    with pytest.raises(ArchivesVanished, match=r"nothing.*8 .*: a0, a1, a2, a3, a4 and 3 more"):
        judged(state).require_none_vanished("nothing is freed")


def test_a_new_archive_does_not_stand_for_a_lost_one_of_its_name(state: Path) -> None:
    recorded(state, "a:1", "a:2")
    assert lost(state, "a:2") == [("a", "1", True)]


def test_what_cannot_be_recorded_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError):
        ledger.record(tmp_path, CLIENT, {"archive": "a"}, {"id": "1", "time": TIME})


def test_what_a_killed_prune_was_removing_has_not_vanished(state: Path) -> None:
    recorded(state, "a:1", "b:2", "c:3")
    ledger.removing(state, CLIENT, listed("a:1", "b:2"))
    assert standings(state, "a:1", "b:2", "c:3") == ["verified"] * 3
    assert lost(state, "b:2", "c:3") == lost(state, "c:3") == []
    assert lost(state, "a:1", "b:2") == [("c", "3", False)]  # that is no prune's doing
    assert standings(state, "a:9") == ["stranger"]
    ledger.see(state, CLIENT, listed("b:2", "c:3"))  # as the next run does, before all else
    assert lost(state, "b:2", "c:3") == []
    assert lost(state, "c:3") == [("b", "2", False)]  # it was there: it is watched again
    assert standings(state, "a:1") == ["stranger"]
    lines = len(ledger.lines(state, CLIENT))
    ledger.see(state, CLIENT, listed("c:3"))
    ledger.settle(state, CLIENT, [])
    assert len(ledger.lines(state, CLIENT)) == lines


def test_a_prune_that_has_ended_removed_what_is_gone_and_nothing_else(state: Path) -> None:
    recorded(state, "a:1", "b:2", "c:3")
    ledger.removing(state, CLIENT, listed("a:1", "b:2"))
    ledger.settle(state, CLIENT, listed("b:2"))
    assert lost(state, "b:2") == [("c", "3", False)]
    assert lost(state, "c:3") == [("b", "2", False)]


def test_a_prune_that_removed_nothing_is_over_too(state: Path) -> None:
    recorded(state, "a:1")
    ledger.removing(state, CLIENT, listed("a:1", "x:9"))
    ledger.settle(state, CLIENT, listed("a:1"))
    assert lost(state) == [("a", "1", False)]


def test_another_time_of_what_a_prune_is_removing_is_noticed(state: Path) -> None:
    recorded(state, "a:1")
    ledger.removing(state, CLIENT, listed("a:1"))
    job = List(client=CLIENT, places=Places(state=str(state)))
    found = standing.judge(job, retimed("a:1"))
    assert [row["standing"] for row in found.rows] == ["stranger"]
    assert [row["name"] for row in found.vanished] == ["a"]
