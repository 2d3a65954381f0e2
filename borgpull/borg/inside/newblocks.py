"""The listing of this run, for the next one: blocks, as `blocks.py` reads them."""

from __future__ import annotations

import contextlib
import json
import struct
import zlib
from array import array
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

from borgpull.borg.inside import wire
from borgpull.borg.inside.blocks import BLOCK, END, MAGIC, NAME, OF_ENTRY, WIDTH, Blocks, Piece

# Bytes of an item. A larger one is no plain file's, and so are all after so many entries, or bytes
# of items, of one frame: a block is read as a whole. A frame of ours has 256 entries.
MAX_ITEM, MAX_ENTRIES, MAX_ITEMS = (1 << 16) - 1, 4096, 4 << 20
# Bytes of frames that are not written yet. A client may list without end while a file is awaited.
MAX_PENDING = 64 << 20
_header = struct.Struct("<HHI").unpack_from  # of an entry: depth, bytes of its name and attributes


class _Pending:
    """A frame of this run, of which not all entries are saved yet."""

    def __init__(self, first: int, content: bytes, sizes: array[int]) -> None:
        self.first, self.content, self.sizes = first, content, sizes
        count = len(sizes)
        self.end = first + count
        self.stored, self.lengths = array("I", bytes(4 * count)), array("H", bytes(2 * count))
        self.hashes, self.sums = bytearray(WIDTH * count), bytearray(WIDTH * count)
        self.items: list[bytes] = []
        self.room = MAX_ITEMS if count <= MAX_ENTRIES else 0
        self.weight = len(content) + OF_ENTRY * count

    def has_room(self, size: int) -> bool:
        """For so many bytes of items, which are taken."""
        if size > self.room:
            self.room = 0
            return False
        self.room -= size
        self.weight += size
        return True

    def put(self, number: int, piece: Piece) -> None:
        """What was made of entries that follow each other, from this number on."""
        at = number - self.first
        to = at + len(piece.lengths)
        self.stored[at:to], self.lengths[at:to] = piece.stored, piece.lengths
        self.hashes[WIDTH * at : WIDTH * to] = piece.hashes
        self.sums[WIDTH * at : WIDTH * to] = piece.sums
        self.items.append(piece.items)

    def packed(self) -> bytes:
        items = b"".join(self.items)
        body = b"".join(
            (
                *(self.content, self.sizes.tobytes(), self.stored.tobytes()),
                *(self.lengths.tobytes(), self.hashes, self.sums, items),
            )
        )
        head = BLOCK.pack(len(self.sizes), len(self.content), len(items), zlib.crc32(body))
        return head + body


class Writer:
    """Writes the blocks of this run. As long as they are the last one's, nothing is written.

    Whatever fails here costs time in the next run, and nothing else: no error is told.
    """

    def __init__(self, path: Path, last: Blocks) -> None:
        self._path, self._last = path, last
        self._fresh = path.with_name(f"{NAME}.new")
        self._pending: list[_Pending] = []
        self._weight = 0  # of those
        self._same = 0  # bytes of the last file that this one begins with
        self._file: IO[bytes] | None = None
        self._failed = False

    def frame(
        self, first: int, content: bytes, text: bytes, sizes: array[int] | None = None
    ) -> None:
        """A frame has come, whose first entry has this number; `sizes` of its entries, if known."""
        found = sizes if sizes is not None else _sizes(text)
        if found and not self._failed:
            self._pending.append(_Pending(first, content, found))
            self._weigh(self._pending[-1].weight)

    def _weigh(self, size: int) -> None:
        self._weight += size
        if self._weight > MAX_PENDING:
            self._fail()

    def done(self, number: int) -> None:
        """All entries below this one are saved, or left out."""
        while self._pending and self._pending[0].end <= number:
            one = self._pending.pop(0)
            self._weight -= one.weight
            self._write(one.packed())

    def _for(self, number: int, size: int) -> _Pending | None:
        """The frame of entries that are saved, if there is room for so many bytes of items."""
        self.done(number)
        if self._failed or not self._pending[0].has_room(size):
            return None
        self._weigh(size)
        return None if self._failed else self._pending[0]

    def one(self, number: int, path_hash: bytes, found: bytes, stored: int, item: bytes) -> None:
        """A plain file is saved."""
        if len(item) > MAX_ITEM:
            return
        one = self._for(number, len(item))
        if one is None:
            return
        at = number - one.first
        one.hashes[WIDTH * at : WIDTH * at + WIDTH] = path_hash
        one.sums[WIDTH * at : WIDTH * at + WIDTH] = found
        one.stored[at], one.lengths[at] = stored, len(item)
        one.items.append(item)

    def several(self, files: Sequence[tuple[int, bytes, bytes, int, bytes]]) -> None:
        """As `one` of each one. There is at least one, and numbers become greater."""
        numbers, hashes, sums, stored, items = zip(*files, strict=True)
        first, last, lengths = numbers[0], numbers[-1], [*map(len, items)]
        self.done(first)
        gap = last - first >= len(files)
        if self._failed or gap or last >= self._pending[0].end or max(lengths) > MAX_ITEM:
            for each in files:
                self.one(*each)
            return
        whole = [b"".join(part) for part in (hashes, sums, items)]
        one = self._for(first, len(whole[-1]))
        if one is not None:
            sizes = one.sizes[first - one.first : last + 1 - one.first]
            one.put(first, Piece(sizes, array("I", stored), array("H", lengths), *whole))

    def same(self, number: int, piece: Piece) -> None:
        """Plain files are saved as they were in the last run."""
        one = self._for(number, len(piece.items))
        if one is not None:
            one.put(number, piece)

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
            self._fail()

    def _fail(self) -> None:
        self._failed = True
        self._pending.clear()
        self.close()

    def save(self, about: dict[str, Any]) -> bool:
        """All is saved. Is the file this run's now?"""
        if self._pending:
            self.done(self._pending[-1].end)
        if self._failed:
            return False
        if self._file is None and self._same == self._last.end and about == self._last.about:
            return True
        text = json.dumps(about).encode()
        self._add(text, END.pack(len(text), zlib.crc32(text), MAGIC))
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
        size = head + name + more
        if at + size > whole:
            break
        found.append(size)
        at += size
    return found
