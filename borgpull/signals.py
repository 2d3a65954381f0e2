"""Signals as exceptions, so that every `with` unwinds; the second one is ignored meanwhile.

After a signal, a run ends within END_SECONDS, even if a client hangs: `docker stop` and compose
send SIGKILL after 10 s. So each wait during the unwinding is limited by `patience`.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType

CAUGHT = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
# The unwinding takes this long at most; the keeper ends what takes END_SECONDS.
UNWIND_SECONDS = 6.0
END_SECONDS = 7.0
# The shortest wait, even if no time is left.
LAST_SECONDS = 0.2

# The end of the time to unwind, in seconds of time.monotonic(); None before a signal.
_over: float | None = None


def patience(seconds: float, *, spare: float = 0.0) -> float:
    """The seconds to wait for a step that may take `seconds`: after a signal, they are fewer.

    `spare` seconds are left for the next steps.
    """
    if _over is None:
        return seconds
    return min(seconds, max(LAST_SECONDS, _over - time.monotonic() - spare))


def out_of_time(*, spare: float = 0.0) -> bool:
    """Has a signal come, and are no more than `spare` seconds left to unwind?"""
    return _over is not None and _over - time.monotonic() <= spare


@contextmanager
def raised() -> Iterator[None]:
    """While inside, SIGINT, SIGTERM and SIGHUP raise Interrupted in the main thread, once."""

    from borgpull.errors import Interrupted

    def handler(signum: int, _frame: FrameType | None) -> None:
        global _over
        _over = time.monotonic() + UNWIND_SECONDS
        for caught in CAUGHT:
            signal.signal(caught, signal.SIG_IGN)
        raise Interrupted(signum)

    before = {signum: signal.signal(signum, handler) for signum in CAUGHT}
    try:
        yield
    finally:
        _unwound()
        for signum, old in before.items():
            signal.signal(signum, old)


def _unwound() -> None:
    global _over
    _over = None


def to_its_end(action: Callable[[], object]) -> None:
    """Do an action that must not stay half done, and that can be repeated.

    If a signal interrupts it, it is done again, and then the signal is obeyed. Raises Interrupted,
    and as `action`.
    """
    from borgpull.errors import BorgpullError, Interrupted

    try:
        action()
    except Interrupted:  # it comes once: further signals are ignored
        with suppress(BorgpullError):
            action()
        raise
