"""Plain files whose entries are just as in the last run: nearly all of an ordinary one.

Their entries are compared as bytes, many at a time. The same entry in the same folder means the
same item, as long as the files cache is as the last run has left it. So the item is copied, and
its chunk is counted once more. What differs in anything goes the usual way.
"""

from __future__ import annotations

import contextlib
import os
from array import array
from collections.abc import Iterator, Sequence
from itertools import chain
from struct import Struct
from typing import Any

from borgpull.borg.inside import wire
from borgpull.borg.inside.blocks import WIDTH, Block, Blocks, Damaged, Piece
from borgpull.borg.inside.content import Chunks
from borgpull.borg.inside.extras import NO_EXTRA
from borgpull.borg.inside.fields import stored
from borgpull.borg.inside.filescache import SEEN, Files
from borgpull.borg.inside.manifest import HAS_SUM, Manifest
from borgpull.borg.inside.newblocks import Writer
from borgpull.borg.inside.places import Places
from borgpull.borg.inside.slots import Slot
from borgpull.borg.inside.wire import ENTRY_STAT

_SPLIT = Struct(f"{WIDTH}s").iter_unpack
# Where the id of its only chunk is in a plain file's item: after the map's head, the word
# `chunks`, the heads of a list and of a tuple, and that of the id.
_ID = len(b"\x8b\xa6chunks\x91\x93\xda\x00\x20")
_header = Struct("<HHI").unpack_from
# After so many entries in vain, at least so many go the usual way at once: 2 to the power of it.
PATIENCE = 8
ALL = 1 << 30  # entries
# Bytes of entries in which one is looked for that is not the next one. A frame of ours has some
# 25,000; a client could make one of 8 MiB, to be searched for each of its entries.
REACH = 64 << 10


class Stretch:
    """Such files that follow each other in a frame: entries of a block."""

    def __init__(self, by: Repeated, piece: Piece, number: int, rows: bytes) -> None:
        """`number` is that of the first entry. `rows` are their entries."""
        self.by, self.piece, self.number, self.rows = by, piece, number, rows

    def __len__(self) -> int:
        return len(self.piece)

    @property
    def weight(self) -> int:
        return len(self.rows) + len(self.piece.items)

    def save(self) -> int:
        return self.by.save(self)

    def path(self, at: int) -> str:
        return self.by.path(self.piece.item(at))

    def slot(self, at: int, state: int) -> Slot:
        row = next(wire.rows_from(self.rows, self.piece.rows[at]))
        return Slot(self.number + at, self.path(at), row.st, NO_EXTRA, state)

    def ids(self) -> Iterator[bytes]:
        return iter(_ids(self.piece))

    def rest(self, at: int) -> Stretch:
        piece = self.piece.part(at, len(self))
        return Stretch(self.by, piece, self.number + at, self.rows[self.piece.rows[at] :])


class Repeated:
    """Follows the last listing beside this one."""

    def __init__(
        self,
        last: Blocks,
        writer: Writer,
        archive: Any,
        chunks: Chunks,
        files: Files,
        manifest: Manifest,
    ) -> None:
        from borg.helpers import msgpack  # type: ignore[import-not-found]

        self._last, self._writer, self._manifest = last, writer, manifest
        self._stats, self._id_hash = archive.stats, chunks.id_hash
        self._chunks, self._files, self._unpack = chunks, files.entries, msgpack.unpackb
        # The next entry of the last listing: its block, and its number there.
        self._number = self._at = 0
        self._block: Block | None = None
        self._names = last.names
        self._copies = True  # may items be copied?
        self.sure = 0  # where the entries of a frame end that are in the last listing, too
        self._misses = 0  # entries in vain, since the last that were not
        self.most = 1  # entries that are to go the usual way next

    def see_name(self, group: int, number: int, name: str | None) -> None:
        """A user (0) or group (1) has this name. If it is a new one, items have another one now."""
        if self._names[group].get(number, name) != name:
            self._copies = False

    def path(self, item: bytes) -> str:
        found: bytes = self._unpack(item)[b"path"]
        return os.fsdecode(found)

    def frame(self, content: bytes, text: bytes) -> Block | None:
        """The last run's next block, if it has just this frame; `text` has its entries."""
        self.sure = 0
        block = self._here()
        if block is None or self._at or block.content != content:
            return None
        block.text = text
        return block

    def look(self, text: bytes, at: int, number: int, places: Places) -> tuple[Stretch | None, int]:
        """The files from here to the first one that is not the same: where that begins."""
        self.most = 1
        if not self._copies and at < self.sure:
            self.most = ALL
            return None, at
        if not _is_whole(text, at):
            return None, at  # whoever takes it apart will refuse it
        block = self._found(text, at, places)
        if block is None:
            return None, at
        begin = end = self._at
        if block.lengths[begin]:
            last = block.plain(begin, self._equal(block, text, at))
            self.sure = at + block.rows[last] - block.rows[begin]
            if not self._copies:
                self._at = last
                return None, at
            if self._is_there(block, begin, text, at, places):
                end = self._known(block, begin, last)
        if begin == end:
            self._at += 1
            return None, at
        to = at + block.rows[end] - block.rows[begin]
        places.before(_header(block.text, block.rows[end - 1])[0])
        self._at, self._misses = end, 0
        return Stretch(self, block.part(begin, end), number, text[at:to]), to

    # --- where we are -----------------------------------------------------------------------------

    def _here(self) -> Block | None:
        """The block with the next entry; None at the end of the last listing."""
        while self._block is None or self._at >= len(self._block):
            if self._block is not None:
                self._number, self._at, self._block = self._number + 1, 0, None
            if self._number >= len(self._last):
                return None
            self._go(self._number, 0)
        return self._block

    def _go(self, number: int, at: int) -> None:
        try:
            block = self._last.block(number)
        except Damaged:
            self._number, self._at, self._block = len(self._last), 0, None
        else:
            self._number, self._at, self._block = number, at, block

    def _found(self, text: bytes, at: int, places: Places) -> Block | None:
        """The block in which the next entry is this one; None if the last listing lacks it."""
        block = self._here()
        if block is not None:
            row, begin = _row(text, at), block.rows[self._at]
            if block.text.startswith(row, begin):
                return block
            if _name(row) == _name(block.text, begin):
                self._at += 1  # it has changed
                self._miss()
                return None
            place = block.at(block.text.find(row, begin, begin + REACH))
            if place >= 0:
                self._at = place
                return block
        return self._start(text, at, places)

    def _start(self, text: bytes, at: int, places: Places) -> Block | None:
        """As `_found`, if a block begins with this one."""
        self._miss()
        found = self._last.starts.get(self._hash(text, at, places) or b"")
        if found is None or found == (self._number, self._at):
            return None
        self._go(*found)
        block = self._here()
        if block is None or block.text.startswith(_row(text, at), block.rows[self._at]):
            return block
        self._at += 1  # it has changed
        return None

    def _miss(self) -> None:
        self._misses += 1
        self.most = 1 << min(self._misses, PATIENCE)

    def _equal(self, block: Block, text: bytes, at: int) -> int:
        """The end of the entries that are the same, from the next one on, which is."""
        rows, begin = block.rows, self._at
        low, high = begin + 1, len(block) + 1  # the end is from `low` on, and below `high`
        first, whole = rows[begin], block.text

        def same(end: int) -> bool:
            size = rows[end] - first
            return text[at : at + size] == whole[first : first + size]

        if same(high - 1):
            return high - 1
        step = 1
        while high - low > 1:
            middle = low + min(step, (high - low) // 2)
            if same(middle):
                low, step = middle, 2 * step
            else:
                high, step = middle, high
        return low

    # --- is it the same file? ---------------------------------------------------------------------

    def _hash(self, text: bytes, at: int, places: Places) -> bytes | None:
        """Of the path of an entry; None if nothing is saved there."""
        depth, length, _ = _header(text, at)
        before = places.before(depth)
        if before is None:
            return None
        name = text[at + ENTRY_STAT.size : at + ENTRY_STAT.size + length]
        found: bytes = self._id_hash(stored(f"/{before}") + name)
        return found

    def _is_there(self, block: Block, begin: int, text: bytes, at: int, places: Places) -> bool:
        """Is this file in the same folder? The next ones are there, too, or in folders above."""
        return self._hash(text, at, places) == block.hashes[WIDTH * begin : WIDTH * begin + WIDTH]

    def _known(self, block: Block, begin: int, end: int) -> int:
        """The first file that borg has forgotten, or `end`. Those before it are seen."""
        hashes = block.hashes[WIDTH * begin : WIDTH * end]
        keys = [*chain.from_iterable(_SPLIT(hashes))]
        entries = [*map(self._files.get, keys)]
        if None in entries:
            end = begin + entries.index(None)
        found = dict(zip(keys[: end - begin], entries, strict=False))
        self._files.update({key: SEEN + entry[2:] for key, entry in found.items()})
        return end

    def save(self, stretch: Stretch) -> int:
        """Add the items, up to the first one whose chunk is lost, or was stored anew: how many."""
        piece = stretch.piece
        ids = _ids(piece)
        found: list[tuple[int, int, int]] = []
        with contextlib.suppress(KeyError):
            found.extend(map(self._chunks.referring(), ids))
        count = _fitting(piece.stored, found)
        self._chunks.unrefer(ids[count : len(found)])
        if not count:
            return 0
        if count < len(ids):
            piece = piece.part(0, count)
        _, sizes, packed = zip(*found[:count], strict=True)
        self._stats.update(sum(sizes), sum(packed), False)
        self._stats.nfiles += count
        self._chunks.write(piece.items)
        self._manifest.many(stretch.number, bytes((HAS_SUM,)) * count, piece.sums)
        self._writer.same(stretch.number, piece)
        return count


def _ids(piece: Piece) -> list[bytes]:
    """Of the only chunk of each file."""
    return [piece.items[at + _ID : at + _ID + WIDTH] for at in piece.places[:-1]]


def _fitting(told: array[int], found: Sequence[tuple[int, int, int]]) -> int:
    """How many chunks have the stored size that the items say: one may be stored anew."""
    now = array("I", [entry[2] for entry in found])
    if now == told[: len(found)]:
        return len(found)
    return next(at for at, pair in enumerate(zip(now, told, strict=False)) if pair[0] != pair[1])


def _is_whole(text: bytes, at: int) -> bool:
    left = len(text) - at - ENTRY_STAT.size
    return left >= 0 and left >= sum(_header(text, at)[1:])


def _row(text: bytes, at: int) -> bytes:
    _, name, more = _header(text, at)
    return text[at : at + ENTRY_STAT.size + name + more]


def _name(text: bytes, at: int = 0) -> tuple[int, bytes]:
    """Depth and name of an entry."""
    depth, length, _ = _header(text, at)
    begin = at + ENTRY_STAT.size
    return depth, text[begin : begin + length]
