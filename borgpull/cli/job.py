"""`borgpull job`: the docker launcher's end in the container. Hidden; speaks JSON lines."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable

from borgpull import asking
from borgpull.cli.context import perform
from borgpull.cli.early import first_line
from borgpull.cli.options import Launch, LauncherName
from borgpull.errors import UsageError
from borgpull.jobs import Job, from_json
from borgpull.verbs import VERBS


def job() -> None:
    """A job of a launcher: a line of standard input. Raises SystemExit."""
    read_and_do(first_line())


def read_and_do(line: bytes) -> None:
    """Raises SystemExit."""
    found = read(line.decode(errors="replace"))

    def made() -> Job:
        if isinstance(found, UsageError):
            raise found
        return found

    # Stock borg's output goes through as it is; a job that cannot be read is told as a result.
    raw = False
    if isinstance(found, Job):
        threading.Thread(target=end_with_input, args=(asking.listen(),), daemon=True).start()
        raw = VERBS[found.verb].raw
    perform(made, Launch(launcher=LauncherName.here, json_lines=not raw))


def read(text: str) -> Job | UsageError:
    """The job, or the error that says why the line is none."""
    try:
        return from_json(text)
    except UsageError as error:
        return error


def end_with_input(answered: Callable[[bytes], None]) -> None:
    """The launcher is gone when our input ends: stop as if it had sent SIGTERM.

    Before that, each line is an answer to what the job has asked.
    """
    rest = b""
    while block := os.read(0, 1 << 16):
        *lines, rest = (rest + block).split(b"\n")
        for line in lines:
            answered(line)
    os.kill(os.getpid(), signal.SIGTERM)
