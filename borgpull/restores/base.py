"""What a way offers to a restore."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from borgpull.borg.command import Borg
from borgpull.borg.extract import Extracted
from borgpull.events import Emit
from borgpull.model import JobSpec
from borgpull.process import Completed, Running

# Every restore reads without borg's lock: our own is held, and the repository may be read-only.
READING = "--bypass-lock"
# Starts a command in a folder; `env -C` is not everywhere.
CHDIR = ("sh", "-c", 'cd "$0" && exec "$@"')
SURVEY_SECONDS = 4 * 3600.0


class Watch(Protocol):
    """Reads what borg says while it runs, to its end; `handed` is what tells how far it is."""

    def __call__(self, child: Running, handed: Callable[[], int] | None = None) -> Extracted: ...


@dataclass(frozen=True, kw_only=True)
class Order:
    """What borg is to bring back."""

    archive: str
    paths: tuple[str, ...]  # of the archive, without a slash in front; none stands for all
    strip: int
    numeric: bool  # owners by number
    patterns: bytes  # lines of a file of patterns: what is left out

    def options(self, *more: str) -> list[str]:
        """The options that `extract` and `export-tar` have in common."""
        strip = ("--strip-components", str(self.strip)) if self.strip else ()
        return [READING, *more, *strip]

    def operands(self, *after: str) -> list[str]:
        """The archive, what is to stand `after` it, and the paths."""
        return [f"::{self.archive}", *after, "--", *(f"pp:{path}" for path in self.paths)]

    def extract(self, *more: str) -> list[str]:
        """The words after `borg extract`; without PROGRESS, something else has to tell it."""
        numeric = ("--numeric-ids",) if self.numeric else ()
        return [*self.options("--sparse", *numeric, *more), *self.operands()]


@dataclass(frozen=True, kw_only=True)
class Site:
    """An open target: what a restore can do with it."""

    name: str  # for messages
    folder: str
    alive: Callable[[], bool]
    # The script client/survey.sh, with its one word and its input. Raises ConnectionLost.
    survey: Callable[[str, bytes], Completed]
    # Bring it into the folder. Raises ConnectionLost, DiskFull, borg's errors.
    extract: Callable[[Order, Watch], Extracted]
    losses: frozenset[str] = frozenset()  # the kinds (losses.py) that this way cannot carry
    # Who writes there, where the survey is by SFTP: it sees neither that nor inode numbers.
    login: tuple[int, str] | None = None
    follows: bool = False  # what extracts there may write through a symlink in its way


class SiteOpener(Protocol):
    def __call__(
        self, job: JobSpec, borg: Borg, folder: Path, emit: Emit
    ) -> AbstractContextManager[Site]: ...
