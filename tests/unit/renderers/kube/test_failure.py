"""Each exit code ends a Job where the table of errors says."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from borgpull.cli.planned import read
from borgpull.errors import BorgpullError, Interrupted, all_errors, retried
from borgpull.places import Places
from borgpull.renderers.kube import Settings, render
from borgpull.renderers.plan import Plan
from borgpull.renderers.timetable import Timetable
from tests.support import jobloop
from tests.support.kubelet import job_of

WORDS = ("pipe", "root@web1", "/etc")
PLAN = Plan(
    name="web1",
    words=WORDS,
    job=read(WORDS),
    timetable=Timetable(cron="30 2 * * *"),
    places=Places(),
)
JOB = job_of("\n---\n".join(text for name, text in render(PLAN, Settings()).items()))
CODES = sorted({1, 2, 137, 143, *(error.exit_code for error in all_errors())} - {130})


def ends(codes: list[jobloop.Pod]) -> jobloop.Outcome:
    return jobloop.run(JOB, lambda number: codes[min(number, len(codes) - 1)])


@pytest.mark.parametrize("code", CODES)
def test_a_code_that_stays(code: int) -> None:
    outcome = ends([jobloop.Pod(code)])
    if code in retried():
        assert outcome == jobloop.Outcome(False, "BackoffLimitExceeded", (code,) * 3)
    else:
        assert outcome == jobloop.Outcome(False, "PodFailurePolicy", (code,))


@pytest.mark.parametrize("code", retried())
def test_a_later_try_cures_it(code: int) -> None:
    assert ends([jobloop.Pod(code), jobloop.Pod(0)]) == jobloop.Outcome(True, "", (code, 0))


def test_a_drained_node_costs_no_try() -> None:
    drained = jobloop.Pod(143, disrupted=True)
    outcome = ends([drained] * 5 + [jobloop.Pod(0)])
    assert outcome.succeeded
    assert len(outcome.codes) == 6
    # Whatever the code was: the pod has been told to go.
    assert ends([jobloop.Pod(1, disrupted=True), jobloop.Pod(0)]).succeeded


def test_no_outcome_of_a_drill_is_tried_again() -> None:
    """A second drill would prove nothing else: it would only cover up what the first has found."""
    words = ("drill", "web1")
    files = render(replace(PLAN, words=words, job=read(words)), Settings())
    drill = job_of("\n---\n".join(files.values()))
    for code in (90, 91, 92, 93):
        ended = jobloop.Pod(code)
        outcome = jobloop.run(drill, partial(_always, ended))
        assert outcome == jobloop.Outcome(False, "PodFailurePolicy", (code,))


def _always(ended: jobloop.Pod, _number: int) -> jobloop.Pod:
    return ended


def test_the_list_follows_the_errors(monkeypatch: pytest.MonkeyPatch) -> None:
    error: type[Any] = next(
        cls for cls in all_errors() if cls.exit_code not in retried() and cls is not Interrupted
    )
    assert issubclass(error, BorgpullError)
    monkeypatch.setattr(error, "retry", True)
    files = render(PLAN, Settings())
    job = job_of("\n---\n".join(files.values()))
    outcome = jobloop.run(job, lambda _: jobloop.Pod(error.exit_code))
    assert outcome.reason == "BackoffLimitExceeded"
