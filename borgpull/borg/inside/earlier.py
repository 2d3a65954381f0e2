"""The sums that an earlier manifest has, for files that are the same since.

They take some 50 bytes each, for any number of files; and 140 while they are put in order, which
is done once one is looked for out of order.
"""

from __future__ import annotations

import stat
from array import array
from bisect import bisect_left
from pathlib import Path

from borgpull.borg.inside.manifest import FURTHER, UNSURE
from borgpull.borg.inside.records import Records
from borgpull.borg.inside.seen import Hashes, hashed
from borgpull.borg.inside.wire import Stat

_WIDTH = 32  # bytes of a sum


class Earlier:
    """A file is the same if its path, inode, size and ctime are."""

    def __init__(self, path: str | None, largest: int) -> None:
        """`path` is that of a manifest that can be relied on. `largest`: of files to be hashed.

        Raises OSError, and what reading it may raise.
        """
        # Of all contents that may be hashed, and of those that have no sum: how many bytes.
        self.bytes = self.bare = 0
        self._keys, self._sums = Hashes(), bytearray()
        # Of the files of this run that have a sum: their numbers, which grow, and its place.
        self._numbers, self._places = array("I"), array("I")
        if path is not None:
            self._read(Path(path), largest)

    def _read(self, path: Path, largest: int) -> None:
        with path.open("rb") as file:
            for record in Records(file):
                st = record.st
                if not stat.S_ISREG(st.st_mode) or record.flags & FURTHER:
                    continue
                counts = st.st_size if st.st_size <= largest else 0
                self.bytes += counts
                if record.sum is None or record.flags & UNSURE:
                    self.bare += counts
                    continue
                self._keys.all.append(_key(record.path, st))
                self._sums += record.sum

    def see(self, number: int, path: str, st: Stat) -> bytes:
        """The sum of a file that is listed now, or empty."""
        at = self._keys.find(_key(path, st))
        if at < 0:
            return b""
        self._numbers.append(number)
        self._places.append(at)
        return self._sum(at)

    def of(self, number: int) -> bytes:
        """The sum of a file that `see` has seen, or empty."""
        at = bisect_left(self._numbers, number)
        if at == len(self._numbers) or self._numbers[at] != number:
            return b""
        return self._sum(self._places[at])

    def _sum(self, place: int) -> bytes:
        return bytes(self._sums[_WIDTH * place : _WIDTH * (place + 1)])


def _key(path: str, st: Stat) -> int:
    return hashed(path, st.st_ino, st.st_size, st.st_ctime_ns)
