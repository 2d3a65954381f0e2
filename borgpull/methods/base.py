"""What a method offers to a backup."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from borgpull.borg.command import Borg
from borgpull.events import Emit
from borgpull.model import JobSpec


@dataclass(frozen=True)
class Verdict:
    """What the comparison of a new archive with the client found; paths as in the archive."""

    cut: tuple[str, ...] = ()  # shorter in the archive than on the client
    changed: tuple[str, ...] = ()  # written to during the run
    counts: dict[str, int] = field(default_factory=dict)  # items by borg's type letter
    size: int = 0  # bytes of all regular files


@dataclass(frozen=True)
class Source:
    """An open client: where and how `borg create` runs."""

    borg: Borg  # with the prefix that makes it see the client's tree
    paths: tuple[str, ...]  # for borg's command line
    create_args: tuple[str, ...]
    left_out: tuple[dict[str, str], ...]  # mounts of the client that are not in the archive
    alive: Callable[[], bool]
    verify: Callable[[str], Verdict]  # archive's name; raises ConnectionLost
    # What this method cannot carry: number of files by kind; None where it could not be counted.
    losses: Callable[[], dict[str, int | None]]


class SourceOpener(Protocol):
    def __call__(
        self, job: JobSpec, borg: Borg, folder: Path, emit: Emit
    ) -> AbstractContextManager[Source]: ...
