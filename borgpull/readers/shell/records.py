"""What a client's `find` and `stat` print of an entry, taken apart: nothing in it is believed."""

from __future__ import annotations

import calendar
import os
import re
import stat
from typing import NamedTuple

from borgpull.borg.inside.wire import Stat
from borgpull.readers.child import BadAnswer

KINDS = {
    b"f": stat.S_IFREG,
    b"d": stat.S_IFDIR,
    b"l": stat.S_IFLNK,
    b"p": stat.S_IFIFO,
    b"s": stat.S_IFSOCK,
    b"b": stat.S_IFBLK,
    b"c": stat.S_IFCHR,
}
MOST = (1 << 63) - 1
# musl writes a plus before a year of five digits. GNU writes seconds if it cannot name the year.
_TIME = re.compile(
    r"([+-]?\d{1,20})-(\d\d)-(\d\d) (\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?(?: \+0000)?"
)
_SECONDS = re.compile(rb"(-?\d{1,20})(?:\.(\d{1,10}))?")


class Record(NamedTuple):
    """An entry of a listing. `target` is None if it is still to be asked for."""

    path: bytes
    st: Stat
    target: bytes | None


def of_stat(text: str) -> tuple[Stat, str]:
    """What `stat` prints by the format of shell_read.sh, and what follows. Raises BadAnswer."""
    try:
        head, mtime, rest = text.split("|", 2)
        ctime, _, rest = rest.partition("|")
        return _stat(head, mtime, ctime), rest
    except (ValueError, OverflowError) as error:
        raise BadAnswer(f"no stat: {text[:80]!r} ({error})") from None


def _stat(head: str, mtime: str, ctime: str) -> Stat:
    size, dev, ino, mode, links, uid, gid, major, minor = head.split(" ")
    rdev = os.makedev(int(major, 16), int(minor, 16))
    numbers = (int(mode, 16), int(uid), int(gid), int(links), int(dev), int(ino), int(size))
    return checked(Stat(*numbers, _time(mtime), _time(ctime), rdev))


def checked(st: Stat) -> Stat:
    """Raises ValueError if a field has a value that it cannot have."""
    small = (st.st_mode, st.st_uid, st.st_gid, st.st_nlink)
    if not all(0 <= number < 1 << 32 for number in small) or not 0 <= st.st_size <= MOST:
        raise ValueError("a number out of bounds")
    if not all(0 <= number < 1 << 64 for number in (st.st_dev, st.st_ino, st.st_rdev)):
        raise ValueError("a number out of bounds")
    return st


def _time(text: str) -> int:
    """A time as stat prints it, by UTC, in ns. Raises ValueError."""
    found = _TIME.fullmatch(text)
    if not found:
        return _seconds(os.fsencode(text))
    if not 1 <= int(found[1]) <= 9999:  # all of them are beyond what 64 bits of ns hold
        return MOST if int(found[1]) > 0 else -MOST
    year, month, day, hour, minute, second = (int(part) for part in found.groups()[:6])
    seconds = calendar.timegm((year, month, day, hour, minute, second))
    return bounded(seconds * 10**9 + int((found[7] or "").ljust(9, "0")))


def bounded(time: int) -> int:
    return max(-MOST, min(MOST, time))


def of_find(fields: bytes, path: bytes, target: bytes) -> Record:
    """What GNU's find prints by the format of shell_list.sh. Raises BadAnswer."""
    try:
        dev, ino, mode, links, uid, gid, size, mtime, ctime, kind = fields.split(b" ")
        numbers = (int(mode, 8) | KINDS[kind], int(uid), int(gid), int(links), int(dev), int(ino))
        st = checked(Stat(*numbers, int(size), _seconds(mtime), _seconds(ctime), 0))
    except (ValueError, KeyError) as error:
        raise BadAnswer(f"no record of find: {fields[:80]!r} ({error})") from None
    return Record(path, st, target)


def _seconds(text: bytes) -> int:
    """find counts the part behind the point from the second before. Raises ValueError."""
    found = _SECONDS.fullmatch(text)
    if not found:
        raise ValueError("no time")
    return bounded(int(found[1]) * 10**9 + int((found[2] or b"").ljust(9, b"0")[:9]))


def of_busybox(text: bytes) -> Record:
    """Raises BadAnswer."""
    st, path = of_stat(os.fsdecode(text))
    return Record(os.fsencode(path), st, None if stat.S_ISLNK(st.st_mode) else b"")
