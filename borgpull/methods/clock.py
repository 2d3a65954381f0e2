"""The client's clock compared with the server's, which alone decides the time of an archive."""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from borgpull import events
from borgpull.client.facts import Facts
from borgpull.errors import ArchiveNotMade
from borgpull.events import Emit

# A smaller error does no harm in the time of a file or of an archive.
MAX_SKEW_SECONDS = 300
MAX_SKEW = timedelta(seconds=MAX_SKEW_SECONDS)


def tell(facts: Facts, emit: Emit) -> None:
    """Warn if the two differ too much. sshfs does not ask for the time: it needs no shell."""
    if text := wrong(facts.skew):
        events.warning(emit, text)


def require(row: Mapping[str, Any], ordered: str) -> None:
    """Has an archive the time that was `ordered` (ISO 8601, UTC, without an offset)?

    The list's order and `prune` depend on it. The forced command of an older version takes no time,
    so the client's clock decides there. A good clock does no harm. Raises ArchiveNotMade.
    """
    ours = datetime.fromisoformat(ordered).replace(tzinfo=UTC)
    require_within(row, ours, ours)


def require_within(row: Mapping[str, Any], begun: datetime, ended: datetime) -> None:
    """Is an archive's time that of the run? Raises ArchiveNotMade."""
    try:
        time = datetime.fromisoformat(row["time"])
        good = begun - MAX_SKEW <= time <= ended + MAX_SKEW
    except (TypeError, ValueError, OverflowError):
        good = False
    if not good:
        raise ArchiveNotMade(
            f"the client gave archive {row['name']} the time {row['time']}, and not this server's",
            hint="set the client's clock; a line of authorized_keys from an older version does not "
            "know the server's time: make a new one by borgpull authorize",
        )


def passed(facts: Facts) -> int:
    """A Unix time that the clock of the client's files had passed when it answered.

    SFTP tells no clock. What we know of it then may be old, and a disk may have a clock of its own.
    So it is earlier than ours by all that does no harm.
    """
    if facts.time is not None:
        return facts.time
    ours = int(time.time()) - MAX_SKEW_SECONDS
    return ours if facts.passed is None else min(ours, facts.passed)


def wrong(skew: float | None) -> str:
    """The warning for a clock that is `skew` seconds ahead of ours; "" if it is good enough."""
    if skew is None or abs(skew) <= MAX_SKEW_SECONDS:
        return ""
    way = "ahead of" if skew > 0 else "behind"
    return f"the client's clock is {abs(skew):.0f} s {way} this server's"
