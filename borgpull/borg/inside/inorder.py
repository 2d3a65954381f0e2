"""The sums of the last run's files, in the order of its archive.

Most runs list the same files in the same order. Then the next sum here is the one that is wanted,
and takes a third of the time of a look-up in `sums.py`. Each sum has its key beside it, so that no
other file gets it. What is missing here is looked up there.
"""

from __future__ import annotations

import contextlib
import mmap
import struct
import zlib
from collections.abc import Sequence
from operator import length_hint
from pathlib import Path
from typing import Any

from borgpull.borg.inside.sums import WIDTH, Sums, key_of

NAME = "borgpull-order"  # in borg's cache folder
MAGIC = b"bporder1"
_HEAD = struct.Struct("<8sI")  # magic, CRC-32 of the rest
_PAIR = struct.Struct(f"{WIDTH}s{WIDTH}s")
_NONE = (b"", b"")
# A file that is not the next one may be one of so many pairs further on. After so many searches in
# vain, this is no longer the order of the listing.
NEAR, PATIENCE = 1024, 100


class InOrder:
    """The pairs of key and sum that the last run has left, and those that this run leaves."""

    def __init__(self, path: Path, sums: Sums) -> None:
        self._path, self._sums = path, sums
        self._map: mmap.mmap | bytes = b""
        self._pairs = memoryview(b"")
        with contextlib.suppress(OSError, ValueError, struct.error):
            self._load()
        self._count = len(self._pairs) // _PAIR.size
        self._patience = PATIENCE
        self.misses = 0  # files that were not the next one
        self._go_on(0)
        # Of this run: what it leaves, and the pairs of the last run that are to follow.
        self._parts: list[bytes | memoryview] = []
        self._begin = self._end = 0

    def _load(self) -> None:
        """Raises OSError, ValueError, struct.error."""
        with self._path.open("rb") as file:
            found = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        magic, crc = _HEAD.unpack_from(found)
        pairs = memoryview(found)[_HEAD.size :]
        if magic != MAGIC or len(pairs) % _PAIR.size or zlib.crc32(pairs) != crc:
            raise ValueError("another file, or a damaged one")
        self._map, self._pairs = found, pairs

    def _go_on(self, at: int) -> None:
        """The pair with this number is the next one."""
        self._rest: Any = _PAIR.iter_unpack(self._pairs[_PAIR.size * at :])
        self._since = at

    @property
    def _at(self) -> int:
        """The number of the next pair."""
        return self._count - length_hint(self._rest)

    def before(self, count: int) -> int:
        """The number of the pair with which the last `count` files began.

        It is -1 if their pairs do not follow each other.
        """
        begin = self._at - count
        return begin if begin >= self._since else -1

    def of(self, ids: Sequence[bytes]) -> bytes | None:
        """The sum of the next file, which has these chunks."""
        key, found = next(self._rest, _NONE)
        if len(ids) == 1 and ids[0] == key:  # nearly all
            return found
        return self._of_another(ids, key, found)

    def _of_another(self, ids: Sequence[bytes], key: bytes, found: bytes) -> bytes | None:
        wanted = key_of(ids)
        if len(ids) > 1:
            self._sums.use(wanted)
        if wanted == key:
            return found
        self.misses += 1
        at = self._at - (key != b"")
        place = self._find(wanted, at)
        if place < 0:
            self._go_on(at)
            return self._sums.of(ids)
        self._go_on(place)
        _, found = next(self._rest)
        return found

    def _find(self, key: bytes, at: int) -> int:
        """The number of the pair, if it is one of the next; else -1."""
        if not self._patience:
            return -1
        begin = _HEAD.size + _PAIR.size * at
        place = self._map.find(key, begin, begin + _PAIR.size * NEAR)
        if place < 0 or (place - begin) % _PAIR.size:
            self._patience -= 1
            return -1
        return at + (place - begin) // _PAIR.size

    def same(self, at: int, count: int) -> None:
        """The next files have the pairs from this number on."""
        if at != self._end:
            self._cut()
            self._begin = at
        self._end = at + count

    def add(self, key: bytes, found: bytes) -> None:
        """The next file has this sum."""
        pair, begin = key + found, _PAIR.size * self._end
        if self._pairs[begin : begin + _PAIR.size] == pair:
            self._end += 1
        else:
            self.extend((pair,))

    def extend(self, words: Sequence[bytes]) -> None:
        """The next files have these keys and sums, by turns."""
        self._cut()
        self._parts.append(b"".join(words))

    def _cut(self) -> None:
        if self._end > self._begin:
            self._parts.append(self._pairs[_PAIR.size * self._begin : _PAIR.size * self._end])
        self._begin = self._end

    def save(self) -> None:
        """Leave what this run had, if it had anything, and not the same. Raises OSError.

        A crash may leave a damaged file, and then the next run has no order. So no disk is waited
        for.
        """
        if not self._parts and self._begin == 0 and self._end in (0, self._count):
            return
        self._cut()
        crc = 0
        for part in self._parts:
            crc = zlib.crc32(part, crc)
        fresh = self._path.with_name(self._path.name + ".new")
        with fresh.open("wb") as file:
            file.write(_HEAD.pack(MAGIC, crc))
            file.writelines(self._parts)
        fresh.replace(self._path)
