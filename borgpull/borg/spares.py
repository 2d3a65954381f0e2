"""Borgs that were started ahead: commands after a backup need not wait for Python.

borg takes a quarter of a second to start. That is half of the time of verification and the last
listing. While a client's borg is at work, this side has time for it.
"""

from __future__ import annotations

import contextlib
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Self

from borgpull.borg.inside import waiting
from borgpull.borg.loading import PASSPHRASE_FD
from borgpull.process import CommandError, Completed, Running, running
from borgpull.secrets import Secret, as_fd

# Takes standard output, piece by piece.
Sink = Callable[[bytes], None]
WAITING = (sys.executable, "-P", "-m", "borgpull.borg.inside.waiting")


class Spares:
    """Waiting borgs, in the environment of one client. Unused ones end on the way out."""

    def __init__(self, prefix: tuple[str, ...] = (), program: tuple[str, ...] = WAITING) -> None:
        """`prefix` is a program that starts others. `program` waits for borg's words."""
        self.prefix, self.program = prefix, program
        self._stack = contextlib.ExitStack()
        self._waiting: list[Running] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def start(self, number: int, env: Mapping[str, str], passphrase: Secret | None) -> None:
        """Start some. `env` is without BORG_PASSPHRASE_FD. Raises CommandError."""
        for _ in range(number):
            fd = self._stack.enter_context(as_fd(passphrase))
            own = {**env, **({} if fd is None else {PASSPHRASE_FD: str(fd)})}
            fds = () if fd is None else (fd,)
            words = (*self.prefix, *self.program)
            child = self._stack.enter_context(
                running(words, name="borg", env=own, pass_fds=fds, stdin=subprocess.PIPE)
            )
            assert child.popen.stdin is not None
            self._stack.callback(child.popen.stdin.close)  # an unused one ends
            self._waiting.append(child)

    def run(
        self, argv: Sequence[str], timeout: float, sink: Sink | None = None
    ) -> Completed | None:
        """Run a borg command line by a waiting borg; None if none is left."""
        child = self.begin(argv)
        return _finish(child, timeout, sink) if child is not None else None

    def begin(self, argv: Sequence[str]) -> Running | None:
        """Let a waiting borg begin a command line; None if none is left."""
        if not self._waiting:
            return None
        child = self._waiting.pop()
        assert child.popen.stdin is not None
        with contextlib.suppress(BrokenPipeError), child.popen.stdin as words:
            words.write(waiting.line(argv))
            words.flush()
        return child


def _finish(child: Running, timeout: float, sink: Sink | None) -> Completed:
    """Read its output to its end. Raises CommandError if it does not end."""
    said: dict[str, list[bytes]] = {"stdout": [], "stderr": []}
    take = {"stdout": sink or said["stdout"].append, "stderr": said["stderr"].append}
    deadline = time.monotonic() + timeout
    for item in child.lines():
        if item is not None:
            take[item[0]](item[1])
        elif time.monotonic() > deadline:
            raise CommandError(["borg"], -1, child.stderr(), f"borg took over {timeout:g} s")
    code = child.wait(60)
    return Completed(
        code, b"".join(said["stdout"]), b"".join(said["stderr"]).decode(errors="replace")
    )
