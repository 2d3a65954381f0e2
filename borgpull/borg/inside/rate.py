"""A limit of the rate at which bytes are taken: what is not taken holds its sender up."""

from __future__ import annotations

import time
from collections.abc import Callable

# Seconds whose bytes may be taken at once, after a pause and in one read.
BURST = 0.25


class Rate:
    """A token bucket, full of `BURST` seconds."""

    def __init__(
        self,
        limit: int,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """`limit` is in bytes a second."""
        self._limit, self._clock, self._sleep = limit, clock, sleep
        self.piece = max(1, int(limit * BURST))  # bytes of one read
        self._paid = clock() - BURST  # when the bytes so far may have passed

    def took(self, count: int) -> None:
        """So many bytes were taken: wait until they may have passed."""
        now = self._clock()
        self._paid = max(self._paid, now - BURST) + count / self._limit
        if self._paid > now:
            self._sleep(self._paid - now)
