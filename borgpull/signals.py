"""Signals as exceptions, so that every `with` unwinds; the second one is ignored meanwhile."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType

from borgpull.errors import BorgpullError, Interrupted

CAUGHT = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextmanager
def raised() -> Iterator[None]:
    """While inside, SIGINT, SIGTERM and SIGHUP raise Interrupted in the main thread, once."""

    def handler(signum: int, _frame: FrameType | None) -> None:
        for caught in CAUGHT:
            signal.signal(caught, signal.SIG_IGN)
        raise Interrupted(signum)

    before = {signum: signal.signal(signum, handler) for signum in CAUGHT}
    try:
        yield
    finally:
        for signum, old in before.items():
            signal.signal(signum, old)


def to_its_end(action: Callable[[], object]) -> None:
    """Do what must not be left half done, and can be done again.

    A signal that breaks it off is obeyed once it is done. Raises Interrupted, and as `action`.
    """
    try:
        action()
    except Interrupted:  # the only one: the next are ignored
        with suppress(BorgpullError):
            action()
        raise
