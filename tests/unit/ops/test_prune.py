"""A prune over any ledger, ended anywhere: what stays, what goes, what nobody calls vanished."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest import mock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from borgpull.borg import repository, retention
from borgpull.borg.command import Borg
from borgpull.errors import ArchivesVanished, BorgFailed, GuardTripped, StrangeArchives
from borgpull.events import silent
from borgpull.jobs import Keep, Prune
from borgpull.ops import prune, standing
from borgpull.ops.standing import UNVERIFIED, VERIFIED
from borgpull.places import Places
from borgpull.secrets import Secret
from borgpull.state import drills, guards, ledger

CLIENT = "web1"
SETTINGS = settings(deadline=None, max_examples=80)


class Killed(BaseException):
    """Nothing runs after it."""


@dataclass
class Store:
    """A repository in memory. `fuel` calls go well; the next one kills, or all are well."""

    rows: list[dict[str, Any]]
    fuel: int = 1000
    freed: bool = False
    half: bool = False  # is the call that kills half done?
    keeps: Callable[[str], bool] = field(default=lambda _name: False)
    meanwhile: Callable[[], None] = field(default=lambda: None)  # what a client does at a delete

    def _burn(self) -> None:
        self.fuel -= 1
        if self.fuel < 0:
            raise Killed

    def archives(self, _borg: Borg) -> list[dict[str, Any]]:
        self._burn()
        return [dict(row) for row in self.rows]

    def kept(self, _keep: Keep, rows: Sequence[Mapping[str, Any]]) -> dict[str, str]:
        self._burn()
        newest = {rows[-1]["id"]: retention.NEWEST} if rows else {}
        return newest | {row["id"]: "daily #1" for row in rows if self.keeps(row["name"])}

    def delete(self, _borg: Borg, names: Sequence[str]) -> None:
        assert names, "without a name, borg delete is of the whole repository"
        self.meanwhile()
        if self.half and self.fuel == 0:
            names = names[: len(names) // 2]
        self.rows = [row for row in self.rows if row["name"] not in names]
        self._burn()

    def compact(self, _borg: Borg) -> None:
        self._burn()
        self.freed = True


def archive(number: int, name: str = "") -> dict[str, Any]:
    time = f"2026-01-{number + 1:02}T00:00:00+00:00"
    return {"name": name or f"a{number}", "id": f"id{number}", "time": time}


BORG = Borg(
    client=CLIENT, repository=Path("/r"), base=Path("/b"), passphrase=Secret("x"), host_id="h"
)


def pruned(state: Path, store: Store) -> Any:
    job = Prune(client=CLIENT, keep=Keep(last=1), places=Places(state=str(state)))
    with (
        mock.patch.object(repository, "archives", store.archives),
        mock.patch.object(retention, "kept", store.kept),
        mock.patch.object(retention, "delete", store.delete),
        mock.patch.object(retention, "compact", store.compact),
    ):
        return prune._pruned(job, BORG, silent)


def judged(state: Path, store: Store) -> standing.Judged:
    job = Prune(client=CLIENT, keep=Keep(last=1), places=Places(state=str(state)))
    return standing.judge(job, store.rows)


def begun(state: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    (state / "clients" / CLIENT).mkdir(parents=True)
    ledger.see(state, CLIENT, [])
    for row in rows:
        if repository.may_count(row["name"]):
            ledger.record(state, CLIENT, {"archive": row["name"]}, row)


ROWS = st.lists(st.sampled_from(["verified", "unverified"]), max_size=12).map(
    lambda kinds: [
        archive(number, f"a{number}.unverified-1" if kind == UNVERIFIED else "")
        for number, kind in enumerate(kinds)
    ]
)


@SETTINGS
@given(ROWS, st.sets(st.integers(0, 11)), st.integers(0, 8), st.booleans())
def test_ended_anywhere(rows: list[dict[str, Any]], keeps: set[int], fuel: int, half: bool) -> None:
    names = [row["name"] for row in rows]
    good = [name for name in names if repository.may_count(name)]
    stays = {f"a{number}" for number in keeps} | set(good[-1:])
    with TemporaryDirectory() as folder:
        state = Path(folder)
        begun(state, rows)
        store = Store(list(rows), fuel=fuel, half=half, keeps=stays.__contains__)
        with suppress(Killed):
            pruned(state, store)
        # No alarm, whatever was under way; nothing that is there has lost its standing.
        found = judged(state, store)
        assert found.vanished == []
        left = [row["name"] for row in store.rows]
        assert [name for name in names if name not in good or name in stays] == [
            name for name in left if name not in good or name in stays
        ]
        assert [row["name"] for row in found.of(VERIFIED)] == [n for n in left if n in good]
        store.fuel = 1000
        data = pruned(state, store)
        assert store.freed
        left = [row["name"] for row in store.rows]
        assert left == [name for name in names if name not in good or name in stays]
        assert data["kept"] == len([name for name in left if name in good])
        assert judged(state, store).vanished == []
        # And from now on each loss is one.
        for row in [row for row in store.rows if row["name"] in good]:
            store.rows.remove(row)
            assert row["name"] in [item["name"] for item in judged(state, store).vanished]


@pytest.fixture
def state(tmp_path: Path) -> Path:
    begun(tmp_path, [archive(number) for number in range(4)])
    return tmp_path


def rows(*numbers: int) -> list[dict[str, Any]]:
    return [archive(number) for number in numbers]


def test_nothing_goes_beside_a_stranger_or_a_loss(state: Path) -> None:
    store = Store([*rows(0, 1, 2, 3), archive(9)])
    with pytest.raises(StrangeArchives):
        pruned(state, store)
    assert len(store.rows) == 5
    store = Store(rows(0, 1, 3))
    with pytest.raises(ArchivesVanished):
        pruned(state, store)
    assert (len(store.rows), store.freed) == (3, False)


def test_what_a_client_does_meanwhile_is_not_put_down_to_us(state: Path) -> None:
    store = Store(rows(0, 1, 2, 3), keeps={"a1", "a2"}.__contains__)

    def delete() -> None:
        store.rows = [row for row in store.rows if row["name"] != "a2"]

    store.meanwhile = delete
    with pytest.raises(ArchivesVanished):
        pruned(state, store)
    assert not store.freed
    assert [row["name"] for row in judged(state, store).vanished] == ["a2"]


def test_a_name_that_stands_for_another_archive_by_then_is_not_deleted(state: Path) -> None:
    store = Store(rows(0, 1, 2, 3))
    listing = store.archives

    def changed(borg: Borg) -> list[dict[str, Any]]:
        found = listing(borg)
        store.rows = [{**row, "id": "other"} if row["name"] == "a0" else row for row in found]
        return found

    with mock.patch.object(store, "archives", changed), pytest.raises(ArchivesVanished):
        pruned(state, store)
    assert [row["name"] for row in store.rows] == ["a0", "a1", "a2", "a3"]


def test_a_failure_of_borg_leaves_what_is_left_watched(state: Path) -> None:
    store = Store(rows(0, 1, 2, 3))

    def fail() -> None:
        store.rows = store.rows[1:]
        raise BorgFailed("no")

    store.meanwhile = fail
    with pytest.raises(BorgFailed):
        pruned(state, store)
    assert judged(state, store).vanished == []
    store.rows = store.rows[1:]
    assert [row["name"] for row in judged(state, store).vanished] == ["a1"]


def test_a_second_name_of_an_archive_is_a_stranger(state: Path) -> None:
    """To delete either would take the chunks of both."""
    alias = {**archive(0), "name": "a0.unverified-1"}
    store = Store([*rows(0, 1, 2, 3), alias])
    with pytest.raises(StrangeArchives, match=r"a0\.unverified-1"):
        pruned(state, store)
    assert len(store.rows) == 5


def test_an_archive_that_borg_only_warns_of_is_not_removed(state: Path) -> None:
    store = Store(rows(0, 1, 2, 3))
    with (
        mock.patch.object(store, "delete", lambda *_: None),
        pytest.raises(BorgFailed, match="did not delete a0, a1, a2"),
    ):
        pruned(state, store)
    assert not store.freed
    assert judged(state, store).vanished == []


def test_what_a_client_does_before_the_space_is_freed_is_told(state: Path) -> None:
    """Stock borg waits for the lock of a session of the client's, and frees what that deleted."""
    store = Store(rows(0, 1, 2, 3))

    def compact(_borg: Borg) -> None:
        store.rows = []

    with (
        mock.patch.object(store, "compact", compact),
        pytest.raises(ArchivesVanished, match="the space is freed, but 1 verified"),
    ):
        pruned(state, store)


def test_the_newest_archive_that_a_drill_has_proved_stays(state: Path) -> None:
    store = Store(rows(0, 1, 2, 3))
    with mock.patch.object(drills, "newest_proved", lambda *_: "id1"):
        data = pruned(state, store)
    assert data["removed"] == ["a0", "a2"]
    assert [row["name"] for row in store.rows] == ["a1", "a3"]


def test_nothing_goes_while_the_guard_has_found_something(state: Path) -> None:
    job = Prune(client=CLIENT, keep=Keep(last=1), places=Places(state=str(state)), dry_run=True)
    (state / "clients" / CLIENT / "guard").mkdir()
    guards.freeze(
        state, CLIENT, {"since": "", "archive": "a3", "findings": [{"text": "half gone"}]}
    )
    with pytest.raises(GuardTripped, match="half gone"):
        prune.run(job, silent)
