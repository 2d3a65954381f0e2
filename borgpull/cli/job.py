"""`borgpull job`: the docker launcher's end in the container. Hidden; speaks JSON lines."""

from __future__ import annotations

import os
import signal
import sys
import threading

from borgpull.cli.context import Launch, perform
from borgpull.cli.options import LauncherName
from borgpull.model import JobSpec


def job() -> None:
    """Read one job from standard input, do it, and end when that input ends."""

    line = sys.stdin.buffer.readline()
    threading.Thread(target=end_with_input, daemon=True).start()
    # Stock borg's output goes through as it is; a job that cannot be read is told as a result.
    raw = b'"verb": "borg"' in line
    perform(
        lambda: JobSpec.from_json(line.decode(errors="replace")),
        Launch(launcher=LauncherName.here, json_lines=not raw),
    )


def end_with_input() -> None:
    """The launcher is gone when our input ends: stop as if it had sent SIGTERM."""
    while os.read(0, 4096):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
