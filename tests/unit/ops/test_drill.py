"""What a drill says of itself: how long the restore took, and what it has left behind."""

from __future__ import annotations

import shutil
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from borgpull.drills.telling import Telling
from borgpull.errors import NotProved
from borgpull.events import silent
from borgpull.jobs import Drill
from borgpull.ops import drill
from borgpull.results import Result


@pytest.mark.parametrize("jump", [-86400, 86400])
def test_a_clock_that_jumps_makes_no_restore_long_or_short(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, jump: int
) -> None:
    now = time.time
    job = Drill(client="web1", scratch=str(tmp_path), max_restore_time=60)
    told = Telling(job)

    def within(*_: Any, **__: Any) -> Result:
        monkeypatch.setattr(time, "time", lambda: now() + jump)
        return Result(verb="restore")

    monkeypatch.setattr("borgpull.ops.restore.within", within)
    selection: Any = SimpleNamespace(choose=None, seconds=0, compare=lambda _after: None)
    none: Any = None
    work = drill._Work(job, told, none, none, none, {"name": "archive"}, silent)
    drill._restore(work, tmp_path, tmp_path, selection)
    assert 0 <= told.facts["restore_seconds"] < 10
    assert [limit["ok"] for limit in told.facts["limits"]] == [True]
    assert 0 <= told.drill()["seconds"] < 10
    assert told.outcome == "pass"


def test_what_stays_is_an_error_however_the_drill_has_ended(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    job = Drill(client="web1", scratch=str(tmp_path))
    told = Telling(job)
    with pytest.raises(NotProved), drill._scratch(job, told):
        raise NotProved("no room")
    assert (told.outcome, [*tmp_path.iterdir()]) == ("pass", [])
    monkeypatch.setattr(shutil, "rmtree", lambda *_, **__: None)
    with pytest.raises(NotProved), drill._scratch(job, told):
        raise NotProved("no room")
    assert told.outcome == "error"
    assert "could not be removed" in told.reasons[0][1]
