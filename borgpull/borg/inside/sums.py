"""The sha256 of what the archives have, by borg's names: a chunk by its id, a file by all of them.

An id stands for one content, so that no entry ever becomes wrong. A missing or damaged file means
that nothing is known. The file has sorted keys, their sums, and before them an index by the first
bits of a key. It is mapped into memory, so that a look-up costs no object for each file.
"""

from __future__ import annotations

import contextlib
import mmap
import os
import struct
import sys
import zlib
from array import array
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from hashlib import sha256
from itertools import accumulate
from pathlib import Path

NAME = "borgpull-sums"  # in borg's cache folder
MAGIC = b"bpsums1\0"
_HEAD = struct.Struct("<8sQII")  # magic, number of entries, bits of the index, CRC-32 of the rest
_FIRST = struct.Struct(">I").unpack_from
WIDTH = 32  # bytes of a key, and of a sum
_KEY, _PAIR, _ROW = (struct.Struct(form) for form in ("32s", "32s32s", "64s"))
# What is learned is kept by the first byte of the keys: to sort a few thousand at a time takes a
# third of the time that a million at once takes, as their memory is near the processor.
PARTS = 256
FEW = 8  # new entries are few if there are so many times as many old ones
PER_PLACE = 4  # entries of one place in the index, about
EMPTY = sha256().digest()


def key_of(ids: Sequence[bytes]) -> bytes:
    """The key of a file with these chunks."""
    return ids[0] if len(ids) == 1 else sha256(b"".join(ids)).digest()


class Sums:
    """What is known, and what is learned in this run."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._map: mmap.mmap | bytes = b""
        # Where the keys with the same first bits begin in the file, and the end of the last ones.
        self._index = array("Q", (0, 0))
        self._count, self._shift, self._keys = 0, 32, 0
        self._new = [bytearray() for _ in range(PARTS)]
        with contextlib.suppress(OSError, ValueError, struct.error):
            self._load()
        self._used = bytearray(self._count)

    def _load(self) -> None:
        """Raises OSError, ValueError, struct.error."""
        with self._path.open("rb") as file:
            found = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        magic, count, bits, crc = _HEAD.unpack_from(found)
        keys = _HEAD.size + 4 * ((1 << min(bits, 32)) + 1)
        if magic != MAGIC or len(found) != keys + 2 * WIDTH * count:
            raise ValueError("another file")
        content = memoryview(found)[_HEAD.size :]
        if zlib.crc32(content) != crc:
            raise ValueError("a damaged file")
        places = content[: keys - _HEAD.size].cast("I")
        self._index = array("Q", [keys + WIDTH * place for place in places])
        self._map, self._count, self._shift, self._keys = found, count, 32 - bits, keys

    def get(self, key: bytes) -> bytes | None:
        """The sum of a key that an earlier run has learned."""
        at = self._place(key)
        if at < 0:
            return None
        at += WIDTH * self._count
        return self._map[at : at + WIDTH]

    def _place(self, key: bytes) -> int:
        """Where a key is in the file; -1 if it is not there."""
        first = _FIRST(key)[0] >> self._shift
        at = self._map.find(key, self._index[first], self._index[first + 1])
        return -1 if at < 0 or (at - self._keys) % WIDTH else at

    def use(self, key: bytes) -> bool:
        """Is it known? Then it stays. What is of one chunk stays as long as that."""
        at = self._place(key)
        if at >= 0:
            self._used[(at - self._keys) // WIDTH] = 1
        return at >= 0

    def of(self, ids: Sequence[bytes]) -> bytes | None:
        """The sum of a file with these chunks."""
        if not ids:
            return EMPTY
        key = key_of(ids)
        if len(ids) > 1:
            self.use(key)
        return self.get(key)

    def note(self, key: bytes, found: bytes) -> None:
        """Remember it for the next runs."""
        self.note_all(((key, found),))

    def note_all(self, pairs: Sequence[tuple[bytes, bytes]]) -> None:
        """As `note` of each key and its sum."""
        for key, found in pairs:
            if not self._count or not self.use(key):
                self._learn(key, found)

    def _learn(self, key: bytes, found: bytes) -> None:
        part = self._new[key[0]]
        part += key
        part += found

    def save(self, there: Callable[[bytes], bool], size: int) -> None:
        """Write what is known. Entries of chunks that are no longer `there` go, if they are many.

        `size` is the number of chunks. Raises OSError.
        """
        learned = sum(map(len, self._new)) // _ROW.size
        if not learned:
            return
        many = self._count > 2 * size + 1000
        if not many and FEW * learned < self._count:
            known: dict[bytes, bytes] = dict(_PAIR.iter_unpack(b"".join(self._new)))
            count = self._count + len(known)
            if _bits(count) == 32 - self._shift:
                _write(self._path, count, self._merged(sorted(known), known))
                return
        for number, (key, found) in enumerate(self._old()):
            if not many or self._used[number] or there(key):
                self._learn(key, found)
        keys, sums = [], []
        for part in self._new:
            rows = sorted({row for (row,) in _ROW.iter_unpack(part)})
            part.clear()
            keys.append(b"".join([row[:WIDTH] for row in rows]))
            sums.append(b"".join([row[WIDTH:] for row in rows]))
        count = sum(map(len, keys)) // WIDTH
        _write(self._path, count, [_index(keys, _bits(count)), *keys, *sums])

    def _old(self) -> Iterator[tuple[bytes, bytes]]:
        """The keys of the file, and their sums."""
        between = self._keys + WIDTH * self._count
        parts = self._map[self._keys : between], self._map[between:]
        keys, sums = ((one for (one,) in _KEY.iter_unpack(part)) for part in parts)
        return zip(keys, sums, strict=True)

    def _merged(self, new: Sequence[bytes], known: Mapping[bytes, bytes]) -> list[bytes]:
        """The content of a file with some keys more, which are sorted and new."""
        begin, shift = self._keys, self._shift
        places = array("I", [(place - begin) // WIDTH for place in self._index])
        index = array("I")
        keys: list[bytes] = []
        sums: list[bytes] = []
        at = 0
        for number, key in enumerate(new):
            place = _FIRST(key)[0] >> shift
            index.extend([count + number for count in places[len(index) : place + 1]])
            to = places[place]
            while to < places[place + 1] and self._key(to) < key:
                to += 1
            for parts, first in ((keys, begin), (sums, begin + WIDTH * self._count)):
                parts.append(self._map[first + WIDTH * at : first + WIDTH * to])
            keys.append(key)
            sums.append(known[key])
            at = to
        index.extend([count + len(new) for count in places[len(index) :]])
        for parts, first in ((keys, begin), (sums, begin + WIDTH * self._count)):
            parts.append(self._map[first + WIDTH * at : first + WIDTH * self._count])
        return [index.tobytes(), *keys, *sums]

    def _key(self, number: int) -> bytes:
        at = self._keys + WIDTH * number
        return self._map[at : at + WIDTH]


def _bits(count: int) -> int:
    """Of the index of so many entries."""
    return max(1, (count // PER_PLACE).bit_length())


def _write(path: Path, count: int, parts: Sequence[bytes]) -> None:
    crc = 0
    for part in parts:
        crc = zlib.crc32(part, crc)
    fresh = path.with_name(path.name + ".new")
    with fresh.open("wb") as file:
        file.write(_HEAD.pack(MAGIC, count, _bits(count), crc))
        file.writelines(parts)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)


def _index(keys: Sequence[bytes], bits: int) -> bytes:
    """For each beginning of a key, the number of keys before it; each part has many, sorted."""
    shift = 32 - bits
    places: Counter[int] = Counter()
    for part in keys:
        firsts = array("I", part)[:: WIDTH // 4]
        if sys.byteorder == "little":
            firsts.byteswap()  # the order of keys is that of numbers
        places.update([first >> shift for first in firsts])
    numbers = map(places.__getitem__, range(1 << bits))
    return array("I", accumulate(numbers, initial=0)).tobytes()
