"""The one boundary of all commands: what goes wrong ends as a line, a hint and a code."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import sys
import traceback
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from borgpull.cli.screen import Screen
from borgpull.errors import BorgpullError, Told, of_storage
from borgpull.jobs import Job
from borgpull.places import Places
from borgpull.results import Failure, Result
from borgpull.verbs import VERBS


@dataclass
class Doing:
    """What the command is about, as far as that is known yet."""

    verb: str = ""
    client: str = ""
    places: Places | None = None
    result_file: str = ""  # the option's; empty if it is not known yet

    @classmethod
    def of(cls, words: Sequence[str]) -> Doing:
        """The verb of a command line, for what there is to tell before there is a job."""
        return cls(words[0] if words and words[0] in VERBS else "")

    def is_about(self, job: Job) -> None:
        self.verb, self.client, self.places = job.verb, job.client, job.places


class End(SystemExit):
    """The end of a command: its exit code, and what there is to tell of it."""

    def __init__(
        self, exit_code: int, doing: Doing, result: Result | None = None, warnings: int = 0
    ) -> None:
        super().__init__(exit_code)
        self.exit_code, self.doing, self.result, self.warnings = exit_code, doing, result, warnings


@contextlib.contextmanager
def boundary(screen: Screen, doing: Doing) -> Iterator[None]:
    """Show any error that is raised inside. Raises End with its code."""
    try:
        yield
        sys.stdout.flush()
    except BrokenPipeError as error:
        if not output_is_closed():
            raise _internal(error, screen, doing) from None
        # The reader has closed our output. Python would flush it once more when it ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        raise End(128 + signal.SIGPIPE, doing) from None
    except Told as error:
        if screen.verbose and isinstance(error, BorgpullError):
            traceback.print_exc()
        raise _shown(error, screen, doing) from None
    except OSError as error:
        found = of_places(error, doing.places)
        if found is None:
            raise _internal(error, screen, doing) from None
        raise _shown(found, screen, doing) from None
    except Exception as error:
        raise _internal(error, screen, doing) from None


def _shown(error: Told, screen: Screen, doing: Doing) -> End:
    screen.error(error, doing.verb, doing.client)
    failure = Failure.of(error)
    result = Result(verb=doing.verb, client=doing.client, ok=False, failure=failure)
    return End(error.exit_code, doing, result, screen.warnings)


def _internal(error: Exception, screen: Screen, doing: Doing) -> End:
    """Show a bug. Nothing else ends with its code."""
    if screen.verbose or os.environ.get("BORGPULL_DEBUG"):
        traceback.print_exception(error)
    return _shown(BorgpullError(f"internal error: {error!r}"), screen, doing)


def output_is_closed() -> bool:
    """Has the reader of our standard output closed it (pipe(7))?"""
    poll = select.poll()
    poll.register(1, select.POLLERR)
    return any(events & select.POLLERR for _, events in poll.poll(0))


def of_places(error: OSError, places: Places | None) -> BorgpullError | None:
    """The error of a file system that holds the repository or the state; None for any other."""
    for folder in () if places is None else (places.repo, places.state):
        name = os.fsdecode(error.filename) if isinstance(error.filename, str | bytes) else ""
        if f"{name}/".startswith(f"{folder.rstrip('/')}/") or fails(folder) == error.errno:
            return of_storage(error, folder)
    return None


def fails(folder: str) -> int:
    """The error number with which a folder cannot be looked at, or 0."""
    try:
        os.scandir(folder).close()
    except OSError as error:
        return error.errno or 0
    return 0
