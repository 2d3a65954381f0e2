"""When a job runs: a line of cron and a time zone.

cronsim says what a line means, as Debian's cron does: 0 and 7 are Sunday.
"""

from __future__ import annotations

import re
import zlib
import zoneinfo
from dataclasses import dataclass
from datetime import datetime
from itertools import islice

from cronsim import CronSim, CronSimError

from borgpull.errors import UsageError

# The examples in a comment begin here. With the current time in it, no two files were the same.
EXAMPLES_FROM = datetime(2027, 1, 1)
# Files that zoneinfo opens, too. They are another zone on each machine, or not on each one.
_NO_ZONE = re.compile(r"localtime|posixrules|Factory|(posix|right)/.*")
# A weekday's place in the month. Neither crontab(5) nor Kubernetes knows it.
OF_CRONSIM_ALONE = re.compile(r"#|[0-9]L", re.IGNORECASE)
# As in crontab(5). The name decides the minute, so that not all clients start at once.
NICKNAMES = {
    "@hourly": "{M} * * * *",
    "@daily": "{M} {H} * * *",
    "@weekly": "{M} {H} * * {D}",
}
DAY = 24 * 60  # minutes
_CLOCK = r"([01][0-9]|2[0-3]):([0-5][0-9])"
_WINDOW = re.compile(f"{_CLOCK}-{_CLOCK}")


@dataclass(frozen=True, kw_only=True)
class Timetable:
    """A line of cron that is right, in a time zone that there is."""

    cron: str
    zone: str = "UTC"

    @classmethod
    def parse(cls, text: str, zone: str, name: str, window: str | None = None) -> Timetable:
        """From `30 2 * * *` or a nickname. `name` decides the minute of a nickname.

        `window` limits the time of day of a nickname, say `22:00-04:00`. Raises UsageError.
        """
        cron = " ".join(text.split())
        if window is not None and cron not in NICKNAMES.keys() - {"@hourly"}:
            raise UsageError("a window is for @daily and @weekly", hint="leave --window out")
        if cron in NICKNAMES:
            at = zlib.crc32(name.encode())
            start, length = _minutes(window)
            minute = start + at % length
            cron = NICKNAMES[cron].format(M=minute % 60, H=minute // 60 % 24, D=at // DAY % 7)
        found = cls(cron=cron, zone=zone)
        found.after(EXAMPLES_FROM, 1)
        return found

    def after(self, moment: datetime, number: int) -> list[datetime]:
        """The next times after a moment, which is given without a zone: it is in ours."""
        try:
            if _NO_ZONE.fullmatch(self.zone):
                raise ValueError(self.zone)
            start = moment.replace(tzinfo=zoneinfo.ZoneInfo(self.zone))
        except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
            raise UsageError(
                f"there is no time zone {self.zone!r}", hint="for instance Europe/Berlin"
            ) from None
        try:
            fields = self.cron.split()
            if len(fields) != 5:
                raise CronSimError("five fields are needed")
            if "L" in fields[2].upper() or OF_CRONSIM_ALONE.search(fields[4]):
                raise CronSimError("cron knows no L, W or #")
            return list(islice(CronSim(self.cron, start), number))
        except CronSimError as error:
            raise UsageError(
                f"not a line of cron: {self.cron!r}: {error}", hint="for instance '30 2 * * *'"
            ) from None

    def comment(self) -> list[str]:
        """Lines that say in words when it runs; the same ones each time."""
        times = ", ".join(f"{time:%a %F %H:%M}" for time in self.after(EXAMPLES_FROM, 3))
        return [
            f"It runs at {self.cron!r} ({self.zone}).",
            f"From {EXAMPLES_FROM:%F} on that is {times}.",
        ]


def _minutes(window: str | None) -> tuple[int, int]:
    """The first minute of the day, and how many there are. Raises UsageError."""
    if window is None:
        return 0, DAY
    found = _WINDOW.fullmatch(window)
    if found is None:
        raise UsageError(f"not a window of time: {window!r}", hint="for instance 01:00-05:00")
    hour, minute, end_hour, end_minute = map(int, found.groups())
    start = hour * 60 + minute
    length = (end_hour * 60 + end_minute - start) % DAY
    return start, length or DAY
