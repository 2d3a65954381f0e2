"""Waiting for what another process does: by looking, never by a time that ought to be enough."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable

# Far more than anything here takes on a slow machine: who waits so long waits for nothing.
PATIENCE = 120.0


def wait_until(
    true: Callable[[], object], said: Callable[[], object] = str, *, seconds: float = PATIENCE
) -> None:
    """Return as soon as `true` says so. Raises AssertionError, with what `said` says, if late.

    Between two looks there is twice the time that one takes, half a second at most: to look by
    docker takes a processor.
    """
    deadline = time.monotonic() + seconds
    while True:
        began = time.monotonic()
        if true():
            return
        took = time.monotonic() - began
        assert began + took < deadline, said()
        time.sleep(min(max(0.05, 2 * took), 0.5))


def ssh_answers(address: str, port: int) -> bool:
    """Whether an sshd says at once who it is."""
    try:
        with socket.create_connection((address, port), 2) as sshd:
            return sshd.recv(4) == b"SSH-"
    except OSError:
        return False
