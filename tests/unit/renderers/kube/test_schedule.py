"""Kubernetes starts a job when cron would: it does not read all lines as cron does."""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import product

import pytest
from hypothesis import assume, example, given, settings

from borgpull.errors import UsageError
from borgpull.renderers.kube.schedule import schedule
from borgpull.renderers.timetable import Timetable
from tests.support.kubecron import matches
from tests.support.rounds import rounds
from tests.unit.renderers.test_calendar import LINES

FIRST = datetime(2027, 1, 1)
DAYS = 70  # so many days have all weekdays on odd days of the month, and on even ones


def parsed(line: str) -> Timetable:
    return Timetable.parse(line, "UTC", "x")


@pytest.mark.rounds
@settings(max_examples=rounds(few=40, many=1000), deadline=None)
@given(LINES)
@example("0 3 * * 7")
@example("0 3 1-31 * 1")
@example("0 3 */2 * 0-7")
@example("5/15 3 1,15 * 1/3")
def test_kubernetes_starts_it_when_cron_would(line: str) -> None:
    try:
        timetable = parsed(line)
        written = schedule(timetable)
    except UsageError:  # no such day; or below
        assume(False)
    soon = timetable.after(FIRST, 3)
    clocks = {(time.hour, time.minute) for time in soon}
    for day, (hour, minute) in product(range(DAYS), clocks):
        moment = FIRST + timedelta(days=day, hours=hour, minutes=minute)
        (following,) = timetable.after(moment - timedelta(minutes=1), 1)
        starts = following.replace(tzinfo=None) == moment
        assert matches(written, moment) == starts, (written, moment)


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        ("30 2 * * *", "30 2 * * *"),
        ("*/5 */2 * */3 *", "*/5 */2 * */3 *"),
        ("0 3 * * 7", "0 3 * * 0"),
        ("0 3 * * 5-7", "0 3 * * 0,5,6"),
        ("0 3 * * mon-fri", "0 3 * * 1-5"),
        ("0 3 * jan,Jul 0-7", "0 3 * 1,7 *"),
        ("05 9-17/2 1 * *", "5 9,11,13,15,17 1 * *"),
        ("0 3 1-31 * 1", "0 3 * * *"),
        ("0 3 */1 * 1", "0 3 * * 1"),
    ],
)
def test_what_is_written(line: str, wanted: str) -> None:
    assert schedule(parsed(line)) == wanted


@pytest.mark.parametrize("line", ["0 3 */2 * 1", "0 3 1 * */2"])
def test_two_days_that_must_both_be_are_refused(line: str) -> None:
    with pytest.raises(UsageError, match="or"):
        schedule(parsed(line))


@pytest.mark.parametrize("line", ["0 3 * * 7", "0 3 * * 5-7", "0 3 0 * *"])
def test_the_reader_refuses_what_kubernetes_does(line: str) -> None:
    with pytest.raises(ValueError, match="not within"):
        matches(line, datetime(2027, 1, 1))
