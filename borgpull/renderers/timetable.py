"""When a job runs: a line of cron and a time zone.

cronsim says what a line means, as Debian's cron does: 0 and 7 are Sunday.
"""

from __future__ import annotations

import zlib
import zoneinfo
from dataclasses import dataclass
from datetime import datetime
from itertools import islice

from cronsim import CronSim, CronSimError

from borgpull.errors import UsageError

# The examples in a comment begin here. With the current time in it, no two files were the same.
EXAMPLES_FROM = datetime(2027, 1, 1)
# As in crontab(5). The name decides the minute, so that not all clients start at once.
NICKNAMES = {
    "@hourly": "{M} * * * *",
    "@daily": "{M} {H} * * *",
    "@weekly": "{M} {H} * * {D}",
}


@dataclass(frozen=True, kw_only=True)
class Timetable:
    """A line of cron that is right, in a time zone that there is."""

    cron: str
    zone: str = "UTC"

    @classmethod
    def parse(cls, text: str, zone: str, name: str) -> Timetable:
        """From `30 2 * * *` or a nickname. `name` decides the minute of a nickname.

        Raises UsageError.
        """
        cron = " ".join(text.split())
        if cron in NICKNAMES:
            at = zlib.crc32(name.encode())
            cron = NICKNAMES[cron].format(M=at % 60, H=at // 60 % 24, D=at // 1440 % 7)
        found = cls(cron=cron, zone=zone)
        found.after(EXAMPLES_FROM, 1)
        return found

    def after(self, moment: datetime, number: int) -> list[datetime]:
        """The next times after a moment, which is given without a zone: it is in ours."""
        try:
            start = moment.replace(tzinfo=zoneinfo.ZoneInfo(self.zone))
        except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
            raise UsageError(
                f"there is no time zone {self.zone!r}", hint="for instance Europe/Berlin"
            ) from None
        try:
            if len(self.cron.split()) != 5:
                raise CronSimError("five fields are needed")
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
