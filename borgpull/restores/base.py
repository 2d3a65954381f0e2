"""What a way offers to a restore."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from borgpull.borg.command import Borg, location
from borgpull.borg.extract import Extracted
from borgpull.client.survey import Attributes
from borgpull.events import Emit
from borgpull.jobs import Restore
from borgpull.process import Running
from borgpull.trees.survey import Ground

# Every restore reads without borg's lock: our own is held, and the repository may be read-only.
READING = "--bypass-lock"
# Starts a command in a folder; `env -C` is not everywhere.
CHDIR = ("sh", "-c", 'cd "$0" && exec "$@"')
SURVEY_SECONDS = 4 * 3600.0
# In bytes. A survey answers some hundred bytes a file, and is asked for 20,000 files at once.
MAX_SURVEY = 64 << 20
# What a survey does: look; look afresh after a restore (verify), or with the names of owners; make
# the folder first; remove the places.
Word = Literal["look", "verify", "owners", "make", "remove"]


class Watch(Protocol):
    """Reads borg's output to its end; `handed` tells the progress if borg does not."""

    def __call__(self, child: Running, handed: Callable[[], int] | None = None) -> Extracted: ...


@dataclass(frozen=True, kw_only=True)
class Order:
    """What borg must bring back."""

    archive: str
    paths: tuple[str, ...]  # in the archive, without a slash in front; none stands for all
    strip: int
    numeric: bool  # owners by number
    patterns: bytes  # lines of a file of patterns: what is left out

    def options(self, *more: str) -> list[str]:
        """The options that `extract` and `export-tar` have in common."""
        strip = ("--strip-components", str(self.strip)) if self.strip else ()
        return [READING, *more, *strip]

    def operands(self, *after: str) -> list[str]:
        """The archive, the words that follow it, and the paths."""
        return [location(self.archive), *after, "--", *(f"pp:{path}" for path in self.paths)]

    def extract(self, *more: str) -> list[str]:
        """The words after `borg extract`; without PROGRESS, borg does not tell its progress."""
        numeric = ("--numeric-ids",) if self.numeric else ()
        return [*self.options("--sparse", *numeric, *more), *self.operands()]


@dataclass(frozen=True, kw_only=True)
class Site:
    """An open target: what a restore can do with it."""

    name: str  # for messages
    folder: str
    alive: Callable[[], bool]
    # Tells of the folder, and of some places below it. Raises TargetNotUsable if it gets no answer;
    # ConnectionLost.
    survey: Callable[[Word, Sequence[str]], Ground]
    # Brings the archive into the folder. Raises ConnectionLost, DiskFull, borg's errors.
    extract: Callable[[Order, Watch], Extracted]
    # Flags, ACLs and xattrs of places below the folder. Raises ConnectionLost.
    attributes: Callable[[Sequence[str]], Sequence[Attributes]] = lambda places: (
        [Attributes()] * len(places)
    )
    losses: frozenset[str] = frozenset()  # the kinds (losses.py) that this way cannot carry
    holes: bool = False  # are all-zero chunks written as holes (borg extract --sparse)?
    follows: bool = False  # may the program that extracts write through a symlink in its way?
    halves: bool = True  # may a file be there of which only a part was written?


class SiteOpener(Protocol):
    def __call__(
        self, job: Restore, borg: Borg, folder: Path, emit: Emit
    ) -> AbstractContextManager[Site]: ...
