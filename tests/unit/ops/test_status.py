"""Status: from files alone, red where it should be, and by the worst."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from borgpull.cli.summaries import summary
from borgpull.errors import ConfigError, GuardTripped, LedgerUnreadable, Overdue
from borgpull.events import silent
from borgpull.jobs import Status
from borgpull.ops import status
from borgpull.places import Places
from borgpull.results import Result
from borgpull.state import drills, guards, lastgood, ledger
from tests.support.schemas import require_all

HOUR = 3600


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "repo").mkdir()
    (tmp_path / "state").mkdir()
    return tmp_path


def client(folder: Path, name: str, *, repository: bool = True, backup: bool = True) -> None:
    if repository:
        (folder / "repo" / name).mkdir()
        (folder / "repo" / name / "config").touch()
    if backup:
        (folder / "state" / "clients" / name).mkdir(parents=True)
        row = {"id": "1", "time": "2026-01-01T00:00:00+00:00"}
        ledger.record(folder / "state", name, {"archive": "a"}, row)


def run(folder: Path, **more: Any) -> Result:
    places = Places(repo=str(folder / "repo"), state=str(folder / "state"))
    result = status.run(Status(places=places, **more), silent)
    require_all([{"borgpull": 1, "event": "result", **result.to_dict()}])
    return result


def rows(result: Result) -> dict[str, bool]:
    return {row["client"]: row["ok"] for row in result.data["clients"]}


def test_all_that_have_a_repository_or_a_state(folder: Path) -> None:
    client(folder, "both")
    client(folder, "bare", backup=False)
    client(folder, "gone", repository=False)
    (folder / "repo" / ".both.lock").touch()
    (folder / "repo" / "lost+found").mkdir()
    result = run(folder)
    assert rows(result) == {"bare": True, "both": True, "gone": True}
    assert [row["repository"] for row in result.data["clients"]] == [True, True, False]
    assert (result.ok, result.exit_code) == (True, 0)
    result = run(folder, max_backup_age=HOUR)
    assert rows(result) == {"bare": False, "both": True, "gone": False}
    assert result.exit_code == Overdue.exit_code
    assert result.failure is not None
    assert result.failure.message == "2 of 3 client(s) not in order: bare, gone"
    assert run(folder, clients=("both",), max_backup_age=HOUR).exit_code == 0
    assert rows(run(folder, clients=("no",), max_backup_age=HOUR)) == {"no": False}
    with pytest.raises(ConfigError, match="there is no no in"):
        run(folder, clients=("both", "no"))


@pytest.mark.parametrize("what", ["prune", "check"])
def test_what_never_was_is_red_where_there_is_a_limit(folder: Path, what: Any) -> None:
    client(folder, "a")
    limit = {f"max_{what}_age": HOUR}
    assert rows(run(folder, **limit)) == {"a": False}
    lastgood.record(folder / "state", "a", what)
    assert rows(run(folder, **limit)) == {"a": True}
    others = {"max_prune_age": HOUR, "max_check_age": HOUR}
    assert rows(run(folder, **others)) == {"a": False}


@pytest.mark.parametrize(
    ("age", "ok"), [(0, True), (HOUR, True), (HOUR + 1, False), (-60, True), (-HOUR, False)]
)
def test_a_limit(age: int, ok: bool) -> None:
    now = int(time.time())
    assert status.good(now - age, HOUR, now)["ok"] is ok
    assert status.good(now - age, None, now)["ok"] is True


def test_the_last_backup_is_the_last_that_ended_well(folder: Path) -> None:
    """Not one that was recorded and failed after that: others had vanished, say."""
    client(folder, "a")
    state = folder / "state"
    lastgood.path_of(state, "a").write_text('{"backup": 5}')
    assert lastgood.backup(state, "a") == 5


def test_of_runs_of_older_versions_the_ledger_tells(folder: Path) -> None:
    client(folder, "a")
    state = folder / "state"
    path = ledger.path_of(state, "a")
    path.write_text('{"time": 5, "archive": "a"}\n{"time": 7, "event": "begun", "archives": []}\n')
    assert lastgood.backup(state, "a") == 5
    assert lastgood.backup(state, "none") is None


def test_what_cannot_be_read_is_the_worst(folder: Path) -> None:
    for name in ("a", "b"):
        client(folder, name)
    ledger.path_of(folder / "state", "a").write_text("{\n{}\n")
    result = run(folder, max_check_age=HOUR)
    assert result.exit_code == LedgerUnreadable.exit_code
    assert "damaged in line 1" in result.data["clients"][0]["unreadable"]
    assert run(folder).exit_code == LedgerUnreadable.exit_code


def test_folders_that_are_not_mounted_are_not_healthy(folder: Path) -> None:
    assert run(folder).data == {"clients": []}
    with pytest.raises(ConfigError):
        run(folder, max_backup_age=HOUR)


def test_the_table(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "UTC")
    client(folder, "web1")
    client(folder, "longer-name", backup=False)
    lines = summary(run(folder, max_backup_age=HOUR))
    assert lines[0].split() == ["CLIENT", "BACKUP", "PRUNE", "CHECK"]
    assert lines[1].split() == ["longer-name", "never", "!", "never", "never", "red"]
    assert lines[2].startswith("web1         20")
    assert lines[2].endswith("s)  never  never  green")
    assert len({line.index("never", 14) for line in lines[2:]}) == 1


def drilled(folder: Path, name: str, run: int, good: int | None) -> None:
    """Drills of a client: when the last one began, and when the last good one ended."""
    place = drills.folder_of(folder / "state", name)
    place.mkdir()
    stamps = {"number": 1, "last_run": run, **({} if good is None else {"last_good": good})}
    (place / "stamps.json").write_text(json.dumps(stamps))


def test_a_drill_that_was_not_good_does_not_count(folder: Path) -> None:
    for name in ("good", "old", "bad", "never", "nonsense"):
        client(folder, name)
    now = int(time.time())
    drilled(folder, "good", now, now - HOUR)
    drilled(folder, "old", now, now - 3 * HOUR)
    drilled(folder, "bad", now, None)
    drilled(folder, "nonsense", 10**18, -(10**18))
    assert set(rows(run(folder)).values()) == {True}
    result = run(folder, max_drill_age=2 * HOUR)
    assert rows(result) == {
        "bad": False,
        "good": True,
        "never": False,
        "nonsense": False,
        "old": False,
    }
    assert result.exit_code == Overdue.exit_code
    found = {row["client"]: row for row in result.data["clients"]}
    assert [found[name]["last_drill"] is None for name in ("bad", "never", "nonsense")] == [
        *(False, True, True)
    ]
    assert found["good"]["drill"]["age"] in (HOUR, HOUR + 1)
    assert found["bad"]["drill"]["time"] is None


def test_drills_are_shown_where_somebody_drills(folder: Path) -> None:
    client(folder, "web1")
    now = int(time.time())
    assert "DRILL" not in summary(run(folder))[0]
    assert summary(run(folder, max_drill_age=HOUR))[1].split()[-3:] == ["never", "!", "red"]
    drilled(folder, "web1", now, now)
    lines = summary(run(folder))
    assert lines[0].split() == ["CLIENT", "BACKUP", "PRUNE", "CHECK", "DRILL"]
    assert lines[1].endswith("s)  green")


def test_a_frozen_client_is_red_and_says_why(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "UTC")
    for name in ("a", "b", "c"):
        client(folder, name)
    state, since = folder / "state", "2026-01-01T00:00:00+00:00"
    finding = {"rule": "gone", "value": 9, "median": 0, "limit": 5, "text": "9 of 9 files are gone"}
    blind = {"state": "not guarded", "why": "x", "runs": 0, "findings": [], "frozen": False}
    guards.tell(state, "b", {**blind, "state": "tripped", "findings": [finding], "frozen": True})
    guards.freeze(state, "b", {"since": since, "archive": "a3", "findings": [finding]})
    guards.tell(state, "c", blind)
    result = run(folder)
    assert rows(result) == {"a": True, "b": False, "c": True}
    assert [row["guard"] for row in result.data["clients"]] == [None, "tripped", "not guarded"]
    assert result.exit_code == GuardTripped.exit_code
    lines = summary(result)
    assert lines[2].endswith(f"red, frozen since {since}, by a3: 9 of 9 files are gone")
    assert lines[3].endswith("green, not guarded")
