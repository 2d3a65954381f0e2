"""May a file change and look as before? Then borg's files cache must not know it.

Two changes within one tick of a clock have the same time. The helper that a Python runs waits until
the tick is over in which a file has changed, and reads it after that. Other readers cannot wait. So
what is as new as the run is read once more by the next run.
"""

from __future__ import annotations

import time

from borgpull.borg.inside.wire import Stat

SECOND = 10**9  # ns, as all times here
TICK = SECOND // 100  # of a kernel whose clock ticks 100 times a second
COARSE = 2 * SECOND  # some file systems keep whole seconds, and vfat every second one
# The clock of a disk may be so far ahead of the client's, or the client's of ours. A file that is
# from a later time was given that by hand, and the same one is not given to it twice by chance.
AHEAD = 24 * 3600 * SECOND


class Unseen:
    """What may change unseen, by the time of its last change."""

    def __init__(self, since: int | None, *, ctimes: bool) -> None:
        """`since` is a time that the clock of the files had passed when the run began; None if the
        reader waits. Without `ctimes`, an mtime of whole seconds stands for one.
        """
        self._since, self._ctimes = since, ctimes
        self._began = time.monotonic_ns()

    def quiet(self, latest: int) -> int:
        """The last ctime, up to `latest`, of a file that cannot change unseen."""
        return latest if self._since is None else min(latest, self._since - COARSE - 1)

    def may(self, st: Stat) -> bool:
        """May this file change, or have changed while it was read, and look as it does?"""
        if self._since is None:
            return False
        latest = self._since + time.monotonic_ns() - self._began + AHEAD
        if not self._ctimes:
            return self._since - COARSE <= st.st_mtime_ns <= latest
        slack = TICK if st.st_ctime_ns % SECOND else COARSE
        return self._since - slack <= st.st_ctime_ns <= latest
