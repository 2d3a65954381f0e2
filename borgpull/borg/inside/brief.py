"""Small files that did not change for long: the helper lists them without opening them.

It does not ask for their flags (chattr(1)). Linux gives a file a new ctime whenever its flags
change. So a file that is in each field as the last listing has it has the flags that it had then.
Any other one is read, and its answer has them. So `fresh.py` need not know of this: such an answer
is not what it expects, and takes the usual way.

The same holds for extended attributes and ACLs on most file systems (`client/ctimes.py`). On their
devices the helper does not ask for them, either. On others it asks by the file's name. But Linux
hides some attributes from a process without rights, and a mount may hide all. So each run keeps its
view: by what rights it looked, and the options of these file systems. A device is named to the
helper only if both are as they were.

The helper also learns the inodes of files that cannot be copied, and lists these in full. That is
for speed alone: a file that is not named costs a reading, and never an attribute.

The helper is told a time of its own clock. Younger files are listed as always: their flags could
have changed within the very tick of their ctime, after the last listing.
"""

from __future__ import annotations

import os
import stat
from typing import Any

from borgpull.borg.inside.extras import Extra
from borgpull.borg.inside.wire import SMALL, Stat

SECOND = 10**9
# The helper learns so many inodes at most, of files with flags, odd times or attributes. If there
# are more, it asks each file for its attributes. And those with flags or odd times are read again
# in each run: beyond so many of them, all files are opened instead.
MOST_ODD, MOST_UNPLAIN = 2000, 1000
MARGIN = 2  # seconds: a ctime of an old file system is that of a whole second, or of two


def is_brief(st: Stat, more: bytes, since: int) -> bool:
    """Are the flags of an entry of the listing not told, if the helper knows `since` (ns)?

    The helper (`client/scripts/stream_brief.py`) and `usual.py` have the same rule.
    """
    return not more and _is_small(st) and st.st_ctime_ns < since and stat.S_ISREG(st.st_mode)


class Odd:
    """Small files whose items the next run cannot copy."""

    def __init__(self) -> None:
        self.inodes: set[int] | None = set()  # None: they are too many
        self.unplain = 0  # how many of them have no attributes

    def see(self, st: Stat, more: Extra) -> None:
        """A regular file is saved, and cannot be copied."""
        if not _is_small(st):
            return
        self.unplain += not (more.xattrs or more.access or more.default or more.failed)
        if self.inodes is not None:
            self.inodes.add(st.st_ino)
            if len(self.inodes) > MOST_ODD:
                self.inodes = None

    def told(self) -> list[int] | None:
        return None if self.inodes is None else sorted(self.inodes)


def _is_small(st: Stat) -> bool:
    return st.st_nlink == 1 and 0 < st.st_size <= SMALL


def seconds(since: int) -> int:
    """As it is told to the helper; 0 if its clock is odd: then no file is listed so."""
    return since - MARGIN if MARGIN < since < 1 << 32 else 0


def devices(last: dict[str, Any] | None, now: dict[str, Any] | None) -> list[int]:
    """Those that are named to the helper, by the views of the last run and of this one.

    A view has the rights (`by`, `client/hello.py`), and file systems by device (`devices`).
    """
    if not last or not now or not now["by"] or last["by"] != now["by"]:
        return []
    same = last["devices"].items() & now["devices"].items()
    return sorted(os.makedev(*map(int, device.split(":"))) for device, _ in same)
