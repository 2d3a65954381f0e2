"""Borgs that have started already: what is asked after a backup need not wait for Python.

Starting takes borg a quarter of a second. That is half of what verification and the last listing
cost, and while a client's borg is at work this side has the time.
"""

from __future__ import annotations

import contextlib
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Self

from borgpull.borg import waiting
from borgpull.process import CommandError, Completed, Running, running
from borgpull.secrets import Secret, as_fd

# Takes standard output, piece by piece.
Sink = Callable[[bytes], None]
WAITING = (sys.executable, "-P", "-m", "borgpull.borg.waiting")


class Spares:
    """Borgs that wait, in the environment of one client; those that nobody takes end with it."""

    def __init__(self, prefix: tuple[str, ...] = ()) -> None:
        """`prefix` is a program that is put before borg, and waits when it has no words."""
        self.prefix = prefix
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
            own = {**env, **({} if fd is None else {"BORG_PASSPHRASE_FD": str(fd)})}
            fds = () if fd is None else (fd,)
            words = self.prefix or WAITING
            child = self._stack.enter_context(
                running(words, name="borg", env=own, pass_fds=fds, stdin=subprocess.PIPE)
            )
            assert child.popen.stdin is not None
            self._stack.callback(child.popen.stdin.close)  # nobody asks: it ends
            self._waiting.append(child)

    def run(
        self, argv: Sequence[str], timeout: float, sink: Sink | None = None
    ) -> Completed | None:
        """Have one of them run a borg command line; None where none is there that could."""
        while self._waiting:
            child = self._waiting.pop()
            assert child.popen.stdin is not None
            with contextlib.suppress(BrokenPipeError), child.popen.stdin as words:
                words.write(waiting.line(argv))
                words.flush()
            return _finish(child, timeout, sink)
        return None


def _finish(child: Running, timeout: float, sink: Sink | None) -> Completed:
    """What it says, and how it ends. Raises CommandError where it does not."""
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
