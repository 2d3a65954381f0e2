"""Small files that did not change for long: the helper lists them without opening them.

It asks for their extended attributes and ACLs by name, but not for their flags (chattr(1)). Linux
gives a file a new ctime whenever its flags change. So a file that is in each field as the last
listing has it has the flags that it had then. Any other one is read, and its answer has them. So
`fresh.py` need not know of this: such an answer is not what it expects, and takes the usual way.

The helper is told a time of its own clock. Younger files are listed as always: their flags could
have changed within the very tick of their ctime, after the last listing.
"""

from __future__ import annotations

import stat

from borgpull.borg.inside.extras import Extra
from borgpull.borg.inside.wire import SMALL, Stat

SECOND = 10**9
# Files with flags, or with odd times, are read again in each run. Beyond so many, all files are
# opened instead.
MOST_UNPLAIN = 1000
MARGIN = 2  # seconds: a ctime of an old file system is that of a whole second, or of two


def is_brief(st: Stat, more: bytes, since: int) -> bool:
    """Are the flags of an entry of the listing not told, if the helper knows `since` (ns)?

    The helper (`client/scripts/stream_list.py`) and `usual.py` have the same rule.
    """
    return not more and _is_small(st) and st.st_ctime_ns < since and stat.S_ISREG(st.st_mode)


def may_be_brief(st: Stat, more: Extra) -> bool:
    """Would a saved regular file be listed so, once it is old?"""
    return _is_small(st) and not (more.xattrs or more.access or more.default or more.failed)


def _is_small(st: Stat) -> bool:
    return st.st_nlink == 1 and 0 < st.st_size <= SMALL


def seconds(since: int) -> int:
    """As it is told to the helper; 0 if its clock is odd: then no file is listed so."""
    return since - MARGIN if MARGIN < since < 1 << 32 else 0
