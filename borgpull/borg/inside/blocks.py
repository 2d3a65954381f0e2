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
from typing import Any

from borgpull.borg.inside import wire

NAME = "borgpull-listing"
MAGIC = b"bplist1\0"
# Number of entries, bytes of the frame and of the items, CRC-32 of what follows.
BLOCK = struct.Struct("<IIII")
# Bytes and CRC-32 of the JSON before it, and the file's end.
END = struct.Struct("<II8s")
WIDTH = 32  # bytes of a hash, and of a sum
_ROW, _SIZE, _ITEM = (array(code).itemsize for code in "IIH")
OF_ENTRY = _ROW + _SIZE + _ITEM + 2 * WIDTH  # bytes, beside its row and item


def depending(args: Any, orders: dict[str, Any]) -> dict[str, Any]:
    """What the items of a listing depend on, beside its entries and the names of owners.

    One of them is what the reader sees: flags are not in the entries of some.
    """
    patterns = [[str(one.cmd), repr(one.val)] for one in args.patterns]
    carried = sorted((orders["manifest"] or {}).get("carried", ()))
    more = {"by_name": not args.numeric_ids, "carried": carried}
    return {"roots": orders["roots"], "patterns": patterns, **more}


class Damaged(Exception):
    """A block is not as it was written."""


class Piece:
    """Entries that follow each other, and what was made of the plain files among them."""

    def __init__(
        self,
        sizes: array[int],
        stored: array[int],
        lengths: array[int],
        hashes: bytes,
        sums: bytes,
        items: bytes,
    ) -> None:
        """`sizes` are those of the entries, `stored` of chunks; `lengths` are those of items."""
        self.sizes, self.stored, self.lengths = sizes, stored, lengths
        self.hashes, self.sums, self.items = hashes, sums, items

    def __len__(self) -> int:
        return len(self.sizes)

    @cached_property
    def rows(self) -> list[int]:
        """Where each entry begins, and the end."""
        return [0, *accumulate(self.sizes)]

    @cached_property
    def places(self) -> list[int]:
        """Where each item begins, and the end."""
        return [0, *accumulate(self.lengths)]

    def item(self, at: int) -> bytes:
        return self.items[self.places[at] : self.places[at + 1]]

    def part(self, begin: int, end: int) -> Piece:
        """Some of them. It holds no more than those."""
        return Piece(
            *(self.sizes[begin:end], self.stored[begin:end], self.lengths[begin:end]),
            self.hashes[WIDTH * begin : WIDTH * end],
            self.sums[WIDTH * begin : WIDTH * end],
            self.items[self.places[begin] : self.places[end]],
        )


class Block(Piece):
    """A frame of the last listing."""

    def __init__(self, text: bytes) -> None:
        """Raises Damaged."""
        count, length, size, crc = BLOCK.unpack_from(text)
        if zlib.crc32(memoryview(text)[BLOCK.size :]) != crc:
            raise Damaged
        at = BLOCK.size

        def part(width: int) -> bytes:
            nonlocal at
            at += width
            return text[at - width : at]

        self.content = part(length)
        sizes, stored = array("I", part(_ROW * count)), array("I", part(_SIZE * count))
        lengths = array("H", part(_ITEM * count))
        hashes, sums = part(WIDTH * count), part(WIDTH * count)
        super().__init__(sizes, stored, lengths, hashes, sums, part(size))

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
        size, crc, magic = END.unpack_from(found, len(found) - END.size)
        end = len(found) - END.size - size
        text = found[end : end + size]
        if magic != MAGIC or end < 0 or zlib.crc32(text) != crc:
            raise ValueError("another file, or a cut one")
        places, at = [], 0
        while at < end:
            places.append(at)
            count, length, items, _ = BLOCK.unpack_from(found, at)
            at += BLOCK.size + length + count * OF_ENTRY + items
        if at != end:
            raise ValueError("blocks that do not fit")
        self.map, self.places, self.end, self.about = found, places, end, json.loads(text)

    def __len__(self) -> int:
        return len(self.places)

    @property
    def names(self) -> tuple[dict[int, str | None], dict[int, str | None]]:
        """Of users and of groups."""
        users, groups = (dict(pairs) for pairs in self.about["names"])
        return users, groups

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
            count, length, _, _ = BLOCK.unpack_from(self.map, place)
            begin = place + BLOCK.size + length + (_ROW + _SIZE) * count
            lengths = array("H", self.map[begin : begin + _ITEM * count])
            first = next((at for at, size in enumerate(lengths) if size), None)
            if first is not None:
                at = begin + _ITEM * count + WIDTH * first
                found[self.map[at : at + WIDTH]] = number, first
        return found
