"""The last listing, in borg's cache folder: its frames, and what was made of plain files in them.

A plain file is regular, has one name, no attributes and one chunk. Of each, the file has the hash
of its path, the sum of its content, the stored size of its chunk, and its packed item. Of all other
entries it has their place alone.

The file is a row of blocks, one for each frame. Each has a CRC-32, as an item that was damaged here
would be saved as it is. A missing or odd file means that nothing is known.
"""

from __future__ import annotations

import contextlib
import json
import mmap
import struct
import zlib
from array import array
from bisect import bisect_right
from functools import cached_property
from itertools import accumulate
from pathlib import Path
from typing import IO, Any

from borgpull.borg.inside import wire

NAME = "borgpull-listing"
MAGIC = b"bplist1\0"
# Number of entries, bytes of the frame and of the items, CRC-32 of what follows.
_BLOCK = struct.Struct("<IIII")
# Bytes and CRC-32 of the JSON before it, and the file's end.
_END = struct.Struct("<II8s")
WIDTH = 32  # bytes of a hash, and of a sum
_ROW, _SIZE, _ITEM = (array(code).itemsize for code in "IIH")
_OF_ENTRY = _ROW + _SIZE + _ITEM + 2 * WIDTH
MAX_ITEM = (1 << 8 * _ITEM) - 1  # bytes
_header = struct.Struct("<HHI").unpack_from  # of an entry: depth, bytes of its name and attributes


class Damaged(Exception):
    """A block is not as it was written."""


class Block:
    """A frame of the last listing. `rows` and `places` are where its entries and items begin."""

    def __init__(self, text: bytes) -> None:
        """Raises Damaged."""
        count, length, size, crc = _BLOCK.unpack_from(text)
        if zlib.crc32(memoryview(text)[_BLOCK.size :]) != crc:
            raise Damaged
        self.count: int = count
        at = _BLOCK.size

        def part(width: int) -> bytes:
            nonlocal at
            at += width
            return text[at - width : at]

        self.content = part(length)
        self.sizes = array("I", part(_ROW * count))  # of the entries
        self.rows: list[int] = [0, *accumulate(self.sizes)]
        self.stored = array("I", part(_SIZE * count))
        self.lengths = array("H", part(_ITEM * count))
        self.hashes, self.sums = part(WIDTH * count), part(WIDTH * count)
        self.items = part(size)
        self.places = [0, *accumulate(self.lengths)]

    @cached_property
    def text(self) -> bytes:
        """The entries, as `wire.rows_from` takes them. Raises BadFrame."""
        return wire.unpacked(self.content, wire.MAX_ROWS)

    def plain(self, begin: int, end: int) -> int:
        """The first entry from `begin` on that is no plain file, or `end`."""
        try:
            return self.lengths.index(0, begin, end)
        except ValueError:
            return end

    def at(self, offset: int) -> int:
        """The number of the entry with which a row there begins, or -1."""
        found = bisect_right(self.rows, offset) - 1
        return found if self.rows[found] == offset else -1


class Blocks:
    """Those of the last run. They are read one by one."""

    def __init__(self, path: Path) -> None:
        self.map: mmap.mmap | bytes = b""
        self.about: dict[str, Any] = {}  # what they depend on; nothing if they are no good
        self.places: list[int] = []
        self.end = 0
        with contextlib.suppress(OSError, ValueError, struct.error):
            self._load(path)

    def _load(self, path: Path) -> None:
        """Raises OSError, ValueError, struct.error."""
        with path.open("rb") as file:
            found = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        size, crc, magic = _END.unpack_from(found, len(found) - _END.size)
        end = len(found) - _END.size - size
        text = found[end : end + size]
        if magic != MAGIC or end < 0 or zlib.crc32(text) != crc:
            raise ValueError("another file, or a cut one")
        places, at = [], 0
        while at < end:
            places.append(at)
            count, length, items, _ = _BLOCK.unpack_from(found, at)
            at += _BLOCK.size + length + count * _OF_ENTRY + items
        if at != end:
            raise ValueError("blocks that do not fit")
        self.map, self.places, self.end, self.about = found, places, end, json.loads(text)

    def __len__(self) -> int:
        return len(self.places)

    def fit(self, depends: dict[str, Any]) -> bool:
        """Do they depend on just this, beside names of owners?"""
        return bool(self.about) and {**self.about, "names": None} == {**depends, "names": None}

    def block(self, number: int) -> Block:
        """Raises Damaged."""
        return Block(self.map[self.places[number] : self._end_of(number)])

    def _end_of(self, number: int) -> int:
        return self.places[number + 1] if number + 1 < len(self.places) else self.end

    @cached_property
    def starts(self) -> dict[bytes, tuple[int, int]]:
        """The first plain file of each block, by the hash of its path: block and entry."""
        found = {}
        for number, place in enumerate(self.places):
            count, length, _, _ = _BLOCK.unpack_from(self.map, place)
            begin = place + _BLOCK.size + length + (_ROW + _SIZE) * count
            lengths = array("H", self.map[begin : begin + _ITEM * count])
            first = next((at for at, size in enumerate(lengths) if size), None)
            if first is not None:
                at = begin + _ITEM * count + WIDTH * first
                found[self.map[at : at + WIDTH]] = number, first
        return found


class _Pending:
    """A frame of this run, of which not all entries are saved yet."""

    def __init__(self, first: int, content: bytes, sizes: array[int]) -> None:
        self.first, self.content, self.sizes = first, content, sizes
        count = len(sizes)
        self.end = first + count
        self.stored, self.lengths = array("I", bytes(_SIZE * count)), array("H", bytes(2 * count))
        self.hashes, self.sums = bytearray(WIDTH * count), bytearray(WIDTH * count)
        self.items: list[bytes] = []

    def packed(self) -> bytes:
        items = b"".join(self.items)
        body = b"".join(
            (
                *(self.content, self.sizes.tobytes(), self.stored.tobytes()),
                *(self.lengths.tobytes(), self.hashes, self.sums, items),
            )
        )
        head = _BLOCK.pack(len(self.sizes), len(self.content), len(items), zlib.crc32(body))
        return head + body


class Writer:
    """Writes the blocks of this run. As long as they are the last one's, nothing is written.

    Whatever fails here costs time in the next run, and nothing else: no error is told.
    """

    def __init__(self, path: Path, last: Blocks) -> None:
        self._path, self._last = path, last
        self._fresh = path.with_name(f"{NAME}.new")
        self._pending: list[_Pending] = []
        self._same = 0  # bytes of the last file that this one begins with
        self._file: IO[bytes] | None = None
        self._failed = False

    def frame(self, first: int, content: bytes, text: bytes, known: Block | None = None) -> None:
        """A frame has come, whose first entry has this number; `known` has the same content."""
        sizes = known.sizes if known is not None else _sizes(text)
        self._pending.append(_Pending(first, content, sizes))

    def _for(self, number: int) -> _Pending:
        """The frame of an entry that is saved. Those before it are at their end."""
        while number >= self._pending[0].end:
            self._write(self._pending.pop(0).packed())
        return self._pending[0]

    def one(self, number: int, path_hash: bytes, found: bytes, stored: int, item: bytes) -> None:
        """A plain file is saved."""
        if len(item) > MAX_ITEM:
            return
        one = self._for(number)
        at = number - one.first
        one.hashes[WIDTH * at : WIDTH * at + WIDTH] = path_hash
        one.sums[WIDTH * at : WIDTH * at + WIDTH] = found
        one.stored[at], one.lengths[at] = stored, len(item)
        one.items.append(item)

    def same(self, number: int, block: Block, begin: int, end: int) -> None:
        """Plain files are saved as they were in the last run."""
        one = self._for(number)
        at = number - one.first
        to = at + end - begin
        one.stored[at:to], one.lengths[at:to] = block.stored[begin:end], block.lengths[begin:end]
        for own, its in ((one.hashes, block.hashes), (one.sums, block.sums)):
            own[WIDTH * at : WIDTH * to] = its[WIDTH * begin : WIDTH * end]
        one.items.append(block.items[block.places[begin] : block.places[end]])

    def _write(self, text: bytes) -> None:
        if self._file is None and not self._failed:
            end = self._same + len(text)
            if end <= self._last.end and self._last.map[self._same : end] == text:
                self._same = end
                return
        self._add(text)

    def _add(self, *parts: bytes) -> None:
        try:
            if self._file is None and not self._failed:
                self._file = self._fresh.open("wb")
                self._file.write(memoryview(self._last.map)[: self._same])
            if self._file is not None:
                self._file.writelines(parts)
        except OSError:
            self._failed = True
            self.close()

    def save(self, about: dict[str, Any]) -> bool:
        """All is saved. Is the file this run's now?"""
        for one in self._pending:
            self._write(one.packed())
        self._pending.clear()
        if self._file is None and self._same == self._last.end and about == self._last.about:
            return True
        text = json.dumps(about).encode()
        self._add(text, _END.pack(len(text), zlib.crc32(text), MAGIC))
        with contextlib.suppress(OSError):
            if self._file is not None:
                self._file.close()
                self._fresh.replace(self._path)
                return True
        return False

    def close(self) -> None:
        """Leave nothing of what is not saved."""
        if self._file is not None:
            with contextlib.suppress(OSError):
                self._file.close()
            self._file = None
        with contextlib.suppress(OSError):
            self._fresh.unlink(missing_ok=True)


def _sizes(text: bytes) -> array[int]:
    """Of the entries, up to one that is cut: whoever takes them apart will refuse it."""
    found = array("I")
    at, head, whole = 0, wire.ENTRY_STAT.size, len(text)
    while at + head <= whole:
        _, name, more = _header(text, at)
        found.append(head + name + more)
        at += head + name + more
    return found
