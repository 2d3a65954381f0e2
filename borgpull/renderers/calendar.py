"""A line of cron in the words of systemd.time(7): one or two calendar events."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import datetime

from cronsim import CronSim

from borgpull.renderers.timetable import Timetable

MONTHS, DAYS, HOURS, MINUTES = range(1, 13), range(1, 32), range(24), range(60)
WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
WEEK = range(1, 8)  # cron's numbers of them
# A range stands for so many numbers in a row.
FEWEST_IN_RANGE = 3


def events(timetable: Timetable) -> list[str]:
    """The values of OnCalendar=. A timer that has several elapses at each of them.

    Cron joins a day of the month and a day of the week by "or" if both are restricted. An event of
    systemd joins them by "and", so that there are two events then.
    """
    line = CronSim(timetable.cron, datetime(2000, 1, 1))
    weekdays = {int(str(day)) % 7 or 7 for day in line.weekdays}
    months = _numbers(line.months, MONTHS)
    clock = f"{_numbers(line.hours, HOURS)}:{_numbers(line.minutes, MINUTES)}:00"

    def event(week: Collection[int], days: Collection[int]) -> str:
        names = "" if len(week) == len(WEEK) else f"{_weekdays(week)} "
        return f"{names}*-{months}-{_numbers(days, DAYS)} {clock} {timetable.zone}"

    if line.day_and:
        return [event(weekdays, line.days)]
    return [event(WEEK, line.days), event(weekdays, DAYS)]


def _numbers(chosen: Collection[int], every: range) -> str:
    if len(chosen) == len(every):
        return "*"
    return ",".join(
        _span(f"{first:02}", f"{last:02}", last - first) for first, last in runs(chosen)
    )


def _weekdays(chosen: Collection[int]) -> str:
    return ",".join(
        _span(WEEKDAYS[first - 1], WEEKDAYS[last - 1], last - first) for first, last in runs(chosen)
    )


def runs(chosen: Collection[int]) -> Iterator[tuple[int, int]]:
    """The first and the last number of each run; a run that is too short is taken apart."""
    numbers = sorted(chosen)
    while numbers:
        end = 1
        while end < len(numbers) and numbers[end] == numbers[0] + end:
            end += 1
        run, numbers = numbers[:end], numbers[end:]
        if len(run) >= FEWEST_IN_RANGE:
            yield run[0], run[-1]
        else:
            yield from ((number, number) for number in run)


def _span(first: str, last: str, length: int) -> str:
    return f"{first}..{last}" if length else first
