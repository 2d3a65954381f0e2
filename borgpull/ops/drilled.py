"""Which archive a drill takes, and whether its restore came to its end."""

from __future__ import annotations

import re
import secrets
from datetime import UTC, datetime, timedelta
from typing import Any

from borgpull.borg.extract import Extracted
from borgpull.errors import (
    ArchiveMissing,
    DiskFull,
    NotProved,
    StorageFailed,
    TargetFull,
    UsageError,
)
from borgpull.ops.standing import VERIFIED, Judged, is_latest
from borgpull.results import Failure

_RANDOM = re.compile(r"random:([1-9][0-9]{0,3})d")


def require_choice(word: str) -> None:
    """Raises UsageError."""
    if word.startswith("random:") and not _RANDOM.fullmatch(word):
        raise UsageError(f"--archive {word}: not a number of days", hint="for instance random:30d")


def chosen(word: str, judged: Judged, now: datetime) -> dict[str, Any]:
    """`latest`, `oldest`, one of the last days at random, or the one of this name.

    Raises ArchiveMissing.
    """
    verified = judged.of(VERIFIED)
    if word == "oldest" and verified:
        return verified[0]
    if found := _RANDOM.fullmatch(word):
        since = now - timedelta(days=int(found[1]))
        young = [row for row in verified if time_of(row) >= since]
        if not young:
            raise ArchiveMissing(f"{judged.client} has no verified archive of {found[1]} days")
        return secrets.choice(young)
    return judged.chosen(None if is_latest(word) or word == "oldest" else word)


def time_of(row: dict[str, Any]) -> datetime:
    """In UTC."""
    return datetime.fromisoformat(row["time"]).astimezone(UTC)


def require_to_its_end(done: Extracted) -> None:
    """Raises NotProved if what broke the restore off says nothing of the backup.

    A disk that cannot be read now, no room, a borg that was killed: what is missing afterwards may
    be in the backup all the same.
    """
    why = done.failure
    if why is not None and (isinstance(why, DiskFull | StorageFailed) or done.returncode < 0):
        raise NotProved(f"the restore broke off: {why.message}")


def require_room(failure: Failure | None) -> None:
    """Raises NotProved if the restore has failed for want of room here."""
    if failure is not None and failure.exit_code == TargetFull.exit_code:
        raise NotProved(f"the restore broke off: {failure.message}")
