"""systemd reads an event of ours as cronsim reads the line of cron that it comes from."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from borgpull.errors import UsageError
from borgpull.renderers.calendar import events
from borgpull.renderers.timetable import Timetable
from tests.support.rounds import rounds

TIMES = 20
ZONES = ("UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe")
# Nearer to a change of the clock than this, systemd and cron do not agree: docs/schedule.md.
NEAR = timedelta(hours=4)
needs_systemd = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None and not os.environ.get("CI"), reason="no systemd here"
)


def numbers(low: int, high: int) -> st.SearchStrategy[str]:
    """A field of cron: a star, numbers, ranges and steps, and lists of them."""
    number = st.integers(low, high)
    span = st.tuples(number, number).map(lambda pair: f"{min(pair)}-{max(pair)}")
    stepped = st.tuples(span | st.just("*"), st.integers(1, high)).map("{0[0]}/{0[1]}".format)
    term = number.map(str) | span | stepped
    return st.just("*") | st.lists(term, min_size=1, max_size=3).map(",".join)


LINES = st.tuples(
    *(numbers(0, 59), numbers(0, 23), numbers(1, 31), numbers(1, 12), numbers(0, 7))
).map(" ".join)


def by_cron(timetable: Timetable, after: datetime) -> list[datetime]:
    return [time.astimezone(UTC) for time in timetable.after(after.replace(tzinfo=None), TIMES)]


def by_systemd(event: str, after: datetime) -> list[datetime]:
    """As `systemd-analyze calendar` says."""
    base = f"--base-time={after.astimezone(UTC):%F %T} UTC"
    done = subprocess.run(
        ["systemd-analyze", "calendar", base, f"--iterations={TIMES}", event],
        env={"TZ": "UTC", "PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    found = re.findall(r"(?:elapse|Iter\. #\d+): \w+ (\S+ \S+) UTC$", done.stdout, re.MULTILINE)
    return [datetime.fromisoformat(text).replace(tzinfo=UTC) for text in found]


def changes_near(timetable: Timetable, moment: datetime) -> bool:
    """Does the clock change near a moment?"""
    (zone,) = {time.tzinfo for time in timetable.after(datetime(2027, 1, 1), 1)}
    sides = [(moment + side).astimezone(zone).utcoffset() for side in (-NEAR, NEAR)]
    return sides[0] != sides[1]


@needs_systemd
@pytest.mark.rounds
@settings(max_examples=rounds(few=25, many=1000), deadline=None)
@given(LINES, st.sampled_from(ZONES), st.datetimes(datetime(2026, 1, 1), datetime(2031, 1, 1)))
@example("30 2 1,15 * 1", "Europe/Berlin", datetime(2027, 1, 1))  # the 1st, the 15th, Mondays
@example("0 0 */2 * 7", "UTC", datetime(2027, 1, 1))  # Sundays that are odd days of the month
@example("0 0 29 2 */1", "America/New_York", datetime(2027, 1, 1))
@example("59 23 31 * *", "Asia/Kolkata", datetime(2027, 1, 1))
def test_systemd_and_cron_agree(line: str, zone: str, moment: datetime) -> None:
    try:
        timetable = Timetable.parse(line, zone, "web1")
    except UsageError:  # no such day: test_timetable.py
        assume(False)
    (first, *_) = timetable.after(moment, 1)
    after = moment.replace(tzinfo=first.tzinfo, microsecond=0)
    wanted = by_cron(timetable, after)
    assume(not any(changes_near(timetable, time) for time in [after, *wanted]))
    found = sorted({time for event in events(timetable) for time in by_systemd(event, after)})
    assert found[:TIMES] == wanted


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        ("30 2 * * *", ["*-*-* 02:30:00 UTC"]),
        ("0 9-17/2 * jan,jul 1-5", ["Mon..Fri *-01,07-* 09,11,13,15,17:00:00 UTC"]),
        ("0 3 1-7 * 7", ["*-*-01..07 03:00:00 UTC", "Sun *-*-* 03:00:00 UTC"]),
        ("0 3 1 * *", ["*-*-01 03:00:00 UTC"]),
        ("0 3 * * 0-7", ["*-*-* 03:00:00 UTC"]),
        ("* * 1,2,4 * *", ["*-*-01,02,04 *:*:00 UTC"]),
    ],
)
def test_what_is_written(line: str, wanted: list[str]) -> None:
    assert events(Timetable.parse(line, "UTC", "web1")) == wanted
