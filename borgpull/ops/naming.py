"""The name of a new archive."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from borgpull import jobs
from borgpull.borg.repository import UNVERIFIED
from borgpull.errors import ArchiveExists

# How long a run waits for a name of its own. A clock that was set back gives none for longer.
NEXT_NAME_SECONDS = 3.0


def default_archive_name(client: str) -> str:
    return f"{client}-{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"


def unverified_name(name: str, found: Sequence[dict[str, Any]]) -> str:
    """The name of an archive until it is verified, beside those that were found.

    A run that failed within this second has left one of the same name.
    """
    taken = {item["name"] for item in found}
    until = time.monotonic() + NEXT_NAME_SECONDS
    while True:
        made = f"{name}{UNVERIFIED}{datetime.now(UTC):%Y%m%dT%H%M%SZ}"
        if made not in taken or time.monotonic() > until:  # borg tells
            return made
        time.sleep(0.05)


def new_name(job: jobs.Backup, found: Sequence[dict[str, Any]]) -> str:
    """The new archive's name, beside those that were found. Raises ArchiveExists."""
    taken = {item["name"] for item in found}
    name = job.archive or default_archive_name(job.client)
    until = time.monotonic() + NEXT_NAME_SECONDS
    while job.archive is None and name in taken and time.monotonic() < until:
        time.sleep(0.05)  # a run may take less than the second that the name has
        name = default_archive_name(job.client)
    if name in taken:
        raise ArchiveExists(f"{job.client} already has an archive {name}")
    return name
