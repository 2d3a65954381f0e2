"""What a way offers to a restore."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from borgpull.borg.command import Borg
from borgpull.events import Emit
from borgpull.model import JobSpec
from borgpull.process import Completed, Running

# Every restore reads without borg's lock: our own is held, and the repository may be read-only.
READING = ("--bypass-lock", "--list", "--sparse")
# Starts a command in a folder; `env -C` is not everywhere.
CHDIR = ("sh", "-c", 'cd "$0" && exec "$@"')
SURVEY_SECONDS = 4 * 3600.0


@dataclass(frozen=True)
class Site:
    """An open target: what a restore can do with it."""

    name: str  # for messages
    folder: str
    alive: Callable[[], bool]
    # The script client/survey.sh, with its one word and its input. Raises ConnectionLost.
    survey: Callable[[str, bytes], Completed]
    # `borg extract` in the folder: its words, and the lines of its file of patterns.
    extract: Callable[[Sequence[str], bytes], AbstractContextManager[Running]]


class SiteOpener(Protocol):
    def __call__(
        self, job: JobSpec, borg: Borg, folder: Path, emit: Emit
    ) -> AbstractContextManager[Site]: ...
