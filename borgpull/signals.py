"""Signals as exceptions, so that every `with` unwinds; the second one is ignored meanwhile."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from borgpull.errors import Interrupted

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
