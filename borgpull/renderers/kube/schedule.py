"""A line of cron in the words of Kubernetes, which reads some lines in another way than cron.

Its reader is github.com/robfig/cron. There Sunday is 0 and never 7, and `*/2` is no star: two
restricted days are joined by "or", always.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from datetime import datetime

from cronsim import CronSim

from borgpull.errors import UsageError
from borgpull.renderers.calendar import DAYS, runs
from borgpull.renderers.timetable import Timetable

WEEK = range(7)
# Both read these in the same way.
_PLAIN = re.compile(r"\*(/[0-9]+)?")


def schedule(timetable: Timetable) -> str:
    """The fields, as numbers where both could differ. Raises UsageError for two days by "and"."""
    line = CronSim(timetable.cron, datetime(2000, 1, 1))
    minute, hour, _, month, _ = timetable.cron.split()
    weekdays = {int(str(day)) % 7 for day in line.weekdays}
    days = "*" if len(line.days) == len(DAYS) else _numbers(line.days)
    week = "*" if len(weekdays) == len(WEEK) else _numbers(weekdays)
    if line.day_and and "*" not in (days, week):
        raise UsageError(
            f"Kubernetes joins days of the month and of the week by 'or': {timetable.cron!r}",
            hint="restrict one of them only",
        )
    if not line.day_and and "*" in (days, week):
        days = week = "*"  # each day is one of all
    fields = [_either(minute, line.minutes), _either(hour, line.hours), days]
    return " ".join([*fields, _either(month, line.months), week])


def _either(text: str, chosen: Collection[int]) -> str:
    return text if _PLAIN.fullmatch(text) else _numbers(chosen)


def _numbers(chosen: Collection[int]) -> str:
    return ",".join(
        f"{first}-{last}" if last > first else str(first) for first, last in runs(chosen)
    )
