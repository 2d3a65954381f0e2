"""What a method offers to a backup."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from borgpull.borg.command import Borg
from borgpull.borg.create import Created, Order
from borgpull.events import Emit
from borgpull.model import JobSpec


@dataclass(frozen=True)
class Verdict:
    """What the verification of a new archive found; paths as in the archive."""

    cut: tuple[str, ...] = ()  # shorter in the archive than on the client
    changed: tuple[str, ...] = ()  # written to during the run
    counts: dict[str, int] = field(default_factory=dict)  # items by borg's type letter
    size: int = 0  # bytes of all regular files


@dataclass(frozen=True)
class Source:
    """An open client: what a backup can do with it, in this order."""

    left_out: tuple[dict[str, str], ...]  # mounts of the client that are not in the archive
    alive: Callable[[], bool]
    create: Callable[[Order], Created]  # raises ConnectionLost, borg's errors
    verify: Callable[[Created], Verdict]  # raises ConnectionLost, VerificationFailed
    rename: Callable[[str, str], None]  # from the temporary name to the final one
    accept: Callable[[], None]  # what the run has learnt is believed by the next
    # The repository's archives after it all, where the client could reach it; else None.
    archives: Callable[[], list[dict[str, Any]] | None]
    # What this method cannot carry: number of files by kind; None where it could not be counted.
    losses: Callable[[], dict[str, int | None]]


class SourceOpener(Protocol):
    def __call__(
        self, job: JobSpec, borg: Borg, folder: Path, emit: Emit
    ) -> AbstractContextManager[Source]: ...
