"""What a run has archived, kept apart from the archive: to compare with what a restore brings.

A manifest has the client's listing as it came, which is packed, and a record of each saved entry:
its number in the listing, and what the listing does not have. `borgpull/borg/manifest.py` reads it.

    START      JSON: the format, the roots; what the reader can see, and the archive keeps, by the
               words of `trees/manifest.py`; whether some contents only have sums (`witness.py`)
    LIST, NAME frames of the client (wire.py)
    SAVED      records: number, flags; then, by the flags, a sum, a first name, and what the entry
               was when it was read, as JSON. A record of MANY has the number of the first of some
               that follow each other; how many they are; their flags, and then their sums
    OUTSIDE    JSON: entries of the archive that the listing does not have (`witness.py`)
    END        JSON: the archive and its id, the manifest's number, the MAC of the one before; how
               many entries there are, contents with a sum, and entries that are not sure

After the last frame comes the MAC of all before it, by a key that the client does not have.
"""

from __future__ import annotations

import hmac
import json
import os
import struct
import zlib
from collections.abc import Iterator, Sequence
from typing import IO, Any

from borgpull.borg.inside import wire
from borgpull.borg.inside.slots import Slot
from borgpull.borg.inside.sums import Sums

FORMAT = 3
KNOWN = (2, FORMAT)  # those that can be read: 2 has no records of MANY
START, SAVED, END, OUTSIDE = 200, 201, 202, 203
RECORD, LENGTH = struct.Struct("<IB"), struct.Struct("<I")
HAS_SUM, FURTHER, LEADS, OTHER = 1, 2, 4, 8  # flags of a record
UNSURE = 16  # one more: the client may never have had just this, say a file that was being written
# Of a content that was read and is not tiny: could it be compressed? HARD: hardly.
PACKS, HARD = 32, 64
MANY = 128  # a record of more than one entry, whose flags are HAS_SUM, PACKS and HARD
MEASURED, HARD_SHARE = 1024, 0.9
MAC = 32  # bytes
SUFFIX, NEW = ".manifest", "new"
BLOCK = 256 << 10  # of records in a frame
_tuple: Any = tuple.__new__


class Manifest:
    """One that is being written."""

    def __init__(self, file: IO[bytes], key: bytes, sums: Sums) -> None:
        self._file, self._mac, self._sums = file, hmac.new(key, digestmod="sha256"), sums
        self._records = bytearray()
        self._entries = self._bare = self._unsure = 0  # all, without a sum, not sure
        self._doubted: set[bytes] = set()  # first names that are not as their further ones say

    def begin(self, roots: Sequence[str], order: dict[str, Any]) -> None:
        """`order` is as in `book`. Raises OSError."""
        words = [os.fsencode(root).hex() for root in roots]
        more = {key: order[key] for key in ("carried", "kept", "some") if key in order}
        self.frame(START, json.dumps({"format": FORMAT, "roots": words, **more}).encode())

    def frame(self, kind: int, content: bytes) -> None:
        """Raises OSError."""
        head = wire.HEAD.pack(kind, len(content))
        self._mac.update(head)
        self._mac.update(content)
        self._file.write(head)
        self._file.write(content)

    def saved(self, slot: Slot) -> None:
        """An entry is in the archive. Raises OSError."""
        flags, found, more = 0, b"", b""
        if slot.status == "h":
            flags = FURTHER
            name = os.fsencode(slot.item["source"])
            more = LENGTH.pack(len(name)) + name
        elif slot.status in "AMUC":
            known = slot.sum
            if known is None and slot.status == "U":  # others have no chunks here
                known = self._sums.of(slot.ids)
            if known is not None:
                flags, found = HAS_SUM, known
            if slot.status != "U":
                flags |= packed(slot.item.get("chunks") or ())
        if slot.item.get("hardlink_master"):
            flags |= LEADS
        flags |= self._doubt(slot)
        if slot.other:
            flags |= OTHER
            text = json.dumps([slot.st, _words(slot)]).encode()
            more += LENGTH.pack(len(text)) + text
        self.record(slot.number, flags, found, more)

    def record(self, number: int, flags: int, found: bytes, more: bytes = b"") -> None:
        """Add one, in the order of the listing. Raises OSError.

        `found` is a sum or empty; `more` is a first name, or what the entry was when it was read.
        """
        self._records += RECORD.pack(number, flags) + found + more
        self._entries += 1
        self._bare += not found
        self._unsure += bool(flags & UNSURE)
        if len(self._records) >= BLOCK:
            self._flush()

    def fresh(self, numbers: Sequence[int], flags: Sequence[int], sums: Sequence[bytes]) -> None:
        """New files are in the archive: their numbers, what `packed` says of them, and their sums.
        Raises OSError.
        """
        begin, words = 0, bytes([HAS_SUM | one for one in flags])
        while begin < len(numbers):
            end = len(numbers)
            if numbers[-1] - numbers[begin] >= end - begin:  # not all of them follow each other
                end = begin + 1
                while numbers[end] == numbers[end - 1] + 1:
                    end += 1
            self.many(numbers[begin], words[begin:end], b"".join(sums[begin:end]))
            begin = end

    def many(self, number: int, flags: bytes, sums: bytes) -> None:
        """Add some that follow each other, from this number on. Raises OSError."""
        self._records += RECORD.pack(number, MANY) + LENGTH.pack(len(flags)) + flags
        self._records += sums
        self._entries += len(flags)
        if len(self._records) >= BLOCK:
            self._flush()

    def _doubt(self, slot: Slot) -> int:
        """The flag, or 0. A further name is as it was listed, and its file may have changed."""
        if slot.status == "h":
            doubted = slot.item["source"] in self._doubted
            return UNSURE if doubted or slot.extra.failed else 0
        changed = slot.status == "C" or slot.unsure
        if (changed or slot.other) and slot.item.get("hardlink_master"):
            self._doubted.add(slot.item["path"])
        return UNSURE if changed or slot.extra.failed else 0

    def listing(self) -> Iterator[bytes]:
        """The frames of the listing so far; nothing is written meanwhile. Raises OSError."""
        at, end = 0, self._file.seek(0, os.SEEK_END)
        while at < end:
            self._file.seek(at)
            kind, length = wire.HEAD.unpack(self._file.read(wire.HEAD.size))
            if kind == wire.LIST:
                yield self._file.read(length)
            at += wire.HEAD.size + length
        self._file.seek(end)

    def outside(self, rows: list[Any]) -> None:
        """Add entries that the listing does not have. Raises OSError."""
        self._flush()
        self.frame(OUTSIDE, json.dumps(rows).encode())
        self._entries += len(rows)
        self._bare += len(rows)
        self._unsure += len(rows)

    def _flush(self) -> None:
        self.frame(SAVED, bytes(self._records))
        self._records.clear()

    def settle(self) -> None:
        """Nothing but the end is missing: let others read what there is. Raises OSError."""
        self._flush()
        self._file.flush()

    def end(self, facts: dict[str, Any]) -> bytes:
        """Write what is left; returns the MAC. Raises OSError."""
        self._flush()
        hashed = self._entries - self._bare
        counts = {"entries": self._entries, "hashed": hashed, "unsure": self._unsure}
        self.frame(END, json.dumps({**facts, **counts}).encode())
        mac = self._mac.digest()
        self._file.write(mac)
        self._file.flush()
        os.fsync(self._file.fileno())
        return mac


def packed(chunks: Sequence[Any]) -> int:
    """The flag for the chunks of a file, as borg has stored them; 0 if they are too small."""
    if len(chunks) == 1:  # as most have
        size, stored = chunks[0].size, chunks[0].csize
    else:
        size = sum([chunk.size for chunk in chunks])
        stored = sum([chunk.csize for chunk in chunks])
    if size < MEASURED:
        return 0
    return HARD if stored > HARD_SHARE * size else PACKS


def _words(slot: Slot) -> list[Any]:
    """`slot.extra`, for JSON."""
    one = slot.extra
    pairs = [[key.hex(), value.hex()] for key, value in one.xattrs.items()]
    return [pairs, one.target.hex(), one.flags, one.access.hex(), one.default.hex()]


def known_rows(content: bytes) -> Iterator[tuple[int, bytes, wire.Stat, bytes]]:
    """The entries of a LIST frame that `wire.rows` has taken apart before, unchanged since."""
    text, at = zlib.decompress(content), 0
    size, unpack = wire.ENTRY_STAT.size, wire.ENTRY_STAT.unpack_from
    while at < len(text):
        depth, length, more, *fields = unpack(text, at)
        tail = at + size + length
        yield depth, text[at + size : tail], _tuple(wire.Stat, fields), text[tail : tail + more]
        at = tail + more
