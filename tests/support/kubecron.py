"""A line of cron as Kubernetes reads it: by the rules of robfig/cron v3 (parser.go, spec.go)."""

from __future__ import annotations

from datetime import datetime

MONTHS = "jan feb mar apr may jun jul aug sep oct nov dec"
WEEKDAYS = "sun mon tue wed thu fri sat"
# The bounds of the fields, and their names from the lowest number on.
BOUNDS = ((0, 59, ""), (0, 23, ""), (1, 31, ""), (1, 12, MONTHS), (0, 6, WEEKDAYS))


def matches(line: str, moment: datetime) -> bool:
    """Is it a time of the line? Raises ValueError if Kubernetes refuses the line."""
    fields = [_field(text, *bounds) for text, bounds in zip(line.split(), BOUNDS, strict=True)]
    weekday = moment.isoweekday() % 7
    times = (moment.minute, moment.hour, moment.day, moment.month, weekday)
    minute, hour, day, month, week = (
        time in chosen for time, (chosen, _) in zip(times, fields, strict=True)
    )
    star = fields[2][1] or fields[4][1]
    return minute and hour and month and (day and week if star else day or week)


def _field(text: str, low: int, high: int, names: str) -> tuple[set[int], bool]:
    """The numbers, and whether there is a star among the terms."""
    found, star = set[int](), False
    for term in text.split(","):
        span, slash, step = term.partition("/")
        number = int(step) if slash else 1
        first, dash, last = span.partition("-")
        if first == "*":
            start, end = low, high
            star = star or number == 1
        else:
            start = _number(first, low, names)
            end = _number(last, low, names) if dash else high if slash else start
        if not (low <= start <= end <= high and number > 0):
            raise ValueError(f"not within {low} to {high}: {term!r}")
        found |= set(range(start, end + 1, number))
    return found, star


def _number(text: str, low: int, names: str) -> int:
    known = names.split()
    return known.index(text.lower()) + low if text.lower() in known else int(text)
