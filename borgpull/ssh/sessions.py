"""The end of a server (sshd, socat) with all its sessions, which would outlive it."""

from __future__ import annotations

import os
import select
import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress

from borgpull import signals
from borgpull.descendants import descendants
from borgpull.process import Running

# `borg serve` gets this long to free its lock.
GRACE_SECONDS = 10.0


@contextmanager
def end_with_sessions(child: Running) -> Iterator[None]:
    """On the way out, end the process and all its descendants.

    Each session of sshd, and each command in one, has its own session and process group (setsid in
    sshd-session.c and session.c). So no signal to a group reaches them.
    """
    try:
        yield
    finally:
        if child.alive():
            _end(child.popen.pid)
            child.popen.kill()  # stopped, it would not see SIGTERM; it has nothing to undo
            child.popen.wait()


def _end(root: int) -> None:
    """SIGTERM, patience, SIGKILL for all descendants. Leaves `root` stopped."""
    _signal(root, signal.SIGSTOP)
    found: set[int] = set()
    # Each process is stopped when it is found. Once no new one appears, none can fork any more.
    while new := set(descendants(root)) - found:
        for pid in new:
            _signal(pid, signal.SIGSTOP)
        found |= new
    with ExitStack() as stack:
        left = []
        for pid in found:
            with suppress(ProcessLookupError):
                left.append(os.pidfd_open(pid))
                stack.callback(os.close, left[-1])
        for signum, patience in ((signal.SIGTERM, GRACE_SECONDS), (signal.SIGKILL, 5.0)):
            for pidfd in left:
                with suppress(ProcessLookupError, PermissionError):
                    signal.pidfd_send_signal(pidfd, signum)
                    signal.pidfd_send_signal(pidfd, signal.SIGCONT)
            left = _still_running(left, patience)


def _signal(pid: int, signum: signal.Signals) -> None:
    # sshd-auth of a root's sshd is another user's; it ends with its parent.
    with suppress(ProcessLookupError, PermissionError):
        os.kill(pid, signum)


def _still_running(pidfds: Sequence[int], patience: float) -> list[int]:
    """Wait for the ends of processes, children or not; returns those that are left."""
    left, deadline = list(pidfds), time.monotonic() + signals.patience(patience)
    while left and (seconds := deadline - time.monotonic()) > 0:
        ended = select.select(left, [], [], seconds)[0]  # pidfd_open(2): readable at its end
        left = [pidfd for pidfd in left if pidfd not in ended]
    return left
