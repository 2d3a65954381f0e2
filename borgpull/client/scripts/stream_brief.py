"""The helper of `borgpull stream`: small files that did not change for long. They are not opened.

The other side knows them by their ctime (`borg/inside/brief.py` has the same rule).
"""

import os

from borgpull.client.scripts.stream_look import MOST, REGULAR, ROW, SMALL, may_have_more, owners


class Brief:
    """Which files are listed so."""

    def __init__(self) -> None:
        self.since = 0  # those with an older ctime (ns)
        self.odd = set()  # type: set[int] # inodes of files that are not
        self.devices = set()  # type: set[int] # where no such file is asked for its attributes

    def rows(
        self, names: "list[tuple[bytes, bool]]", count: int, most: int, depth: int, above: int
    ) -> "tuple[list[bytes], int]":
        """The entries of such files at the end of `names`, the last one first; and their weight.

        They are `count` at most, and as many as reach `most`; `above` is the weight of a path
        without its name.
        """
        rows = []  # type: list[bytes]
        since, odd, devices, weight = self.since, self.odd, self.devices, 0
        append, pack, lstat = rows.append, ROW.pack, os.lstat
        for name, regular in names[: -count - 1 : -1]:
            if not regular or weight > most:
                break
            try:
                st = lstat(name)
            except OSError:
                break
            mode, ino, dev, links, uid, gid, size = st[:7]
            mtime, ctime, rdev = st.st_mtime_ns, st.st_ctime_ns, st.st_rdev
            if ctime >= since or links != 1 or not 0 < size <= SMALL or mode >> 12 != REGULAR:
                break
            if (uid, gid) not in owners or ino in odd:
                break
            if not -MOST <= mtime <= MOST or ctime < -MOST:
                break
            if dev not in devices and may_have_more(name):
                break
            length = len(name)
            row = pack(depth, length, 0, mode, uid, gid, 1, dev, ino, size, mtime, ctime, rdev)
            append(row + name)
            weight += above + length
        return rows, weight
