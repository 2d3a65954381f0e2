"""What a drill's container asks is believed as little as a client: it gets its own checks, once."""

from __future__ import annotations

import json
import socket
import time
from typing import Any

import pytest
from docker.errors import APIError

from borgpull.asking import Answer
from borgpull.jobs import Drill, DrillCheck, Job, List
from borgpull.launchers import checking

GOOD = "borgpull-job-a1b2_3x4/tree"
JOB = Drill(
    client="web1",
    checks=(
        DrillCheck(name="here", run="true"),
        DrillCheck(name="first", run="true", image="a"),
        DrillCheck(name="second", run="true", image="b"),
    ),
)


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """The checks that are run, and the folders."""
    found: list[tuple[str, str]] = []

    def answered(_client: Any, _drill: Any, _job: Drill, check: DrillCheck, folder: str) -> Answer:
        found.append((check.name, folder))
        return Answer(code=0)

    monkeypatch.setattr(checking, "answered", answered)
    return found


def test_each_check_runs_once_and_in_order(ran: list[tuple[str, str]]) -> None:
    replies = checking.Replies(None, None, JOB)  # type: ignore[arg-type]
    codes = [json.loads(replies({"check": number, "folder": GOOD}))["code"] for number in
             (0, 1, 1, 2, 1, 2)]  # fmt: skip
    assert codes == [None, 0, None, 0, None, None]
    assert ran == [("first", GOOD), ("second", GOOD)]


@pytest.mark.parametrize(
    ("job", "asked"),
    [
        (JOB, {}),
        (JOB, {"check": 1}),
        (JOB, {"check": "1", "folder": GOOD}),
        (JOB, {"check": True, "folder": GOOD}),
        (JOB, {"check": -2, "folder": GOOD}),
        (JOB, {"check": 3, "folder": GOOD}),
        (JOB, {"check": 1, "folder": "/etc"}),
        (JOB, {"check": 1, "folder": "../etc"}),
        (JOB, {"check": 1, "folder": f"{GOOD}/.."}),
        (JOB, {"check": 1, "folder": f"{GOOD}\n"}),
        (JOB, {"check": 1, "folder": ["borgpull-job-a1b2_3x4/tree"]}),
        (List(client="web1"), {"check": 1, "folder": GOOD}),
    ],
)
def test_all_else_is_refused(job: Job, asked: Any, ran: list[tuple[str, str]]) -> None:
    answer = json.loads(checking.Replies(None, None, job)(asked))  # type: ignore[arg-type]
    assert answer["code"] is None and answer["why"]
    assert ran == []


class Stubborn:
    """A container that the engine fails to kill, until its patience is over."""

    def __init__(self, fails: int, end: socket.socket) -> None:
        self._fails, self._end, self.kills = fails, end, 0

    def kill(self) -> None:
        self.kills += 1
        if self.kills <= self._fails:
            raise APIError("the engine is busy")
        self._end.close()


@pytest.mark.parametrize(("fails", "kills"), [(3, 4), (10**6, None)])
def test_a_check_that_takes_too_long_is_killed_until_it_is_dead(
    fails: int, kills: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And at last, nobody waits for it any longer."""
    monkeypatch.setattr(checking, "KILL_SECONDS", 60.0 if kills else 0.3)
    monkeypatch.setattr(checking, "AGAIN_SECONDS", 0.02)
    ours, theirs = socket.socketpair()
    container = Stubborn(fails, theirs)
    ours.settimeout(20)
    with ours, theirs, checking._killed_after(container, ours, 0.05) as late:
        assert ours.recv(1) == b""
    assert late.is_set()
    assert container.kills == kills or (kills is None and container.kills > 3)


def test_a_check_that_ends_in_time_is_not_killed() -> None:
    ours, theirs = socket.socketpair()
    container = Stubborn(0, theirs)
    with ours, theirs, checking._killed_after(container, ours, 0.05) as late:
        pass
    time.sleep(0.2)
    assert (late.is_set(), container.kills) == (False, 0)
