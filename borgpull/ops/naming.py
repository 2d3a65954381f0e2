"""The name of a new archive."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

from borgpull import jobs
from borgpull.borg.repository import UNVERIFIED
from borgpull.errors import ArchiveExists

# How long a run waits for a name of its own. A clock that was set back gives none for longer.
NEXT_NAME_SECONDS = 3.0


def default_archive_name(client: str) -> str:
    return f"{client}-{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"


def _free(make: Callable[[], str], found: Sequence[dict[str, Any]]) -> str:
    """What `make` makes, once no archive has that name, or what it makes after NEXT_NAME_SECONDS.

    A name has a second in it, and a run may take less.
    """
    taken = {item["name"] for item in found}
    until = time.monotonic() + NEXT_NAME_SECONDS
    while (name := make()) in taken and time.monotonic() < until:
        time.sleep(0.05)
    return name


def unverified_mark(name: str, found: Sequence[dict[str, Any]]) -> str:
    """What follows the name of an archive until it is verified. A run that failed has left one."""
    made = _free(lambda: f"{name}{UNVERIFIED}{datetime.now(UTC):%Y%m%dT%H%M%SZ}", found)
    return made.removeprefix(name)


def new_name(job: jobs.Backup, found: Sequence[dict[str, Any]]) -> str:
    """The new archive's name, beside those that were found. Raises ArchiveExists."""
    name = job.archive or _free(lambda: default_archive_name(job.client), found)
    if any(item["name"] == name for item in found):
        raise ArchiveExists(f"{job.client} already has an archive {name}")
    return name
