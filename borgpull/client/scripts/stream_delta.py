"""The helper of `borgpull stream`, third part: what differs in a file from what the server has.

A piece is its size, and the sha256 that it had. The pieces of a file follow each other.
"""

import os
import struct
from hashlib import sha256

from borgpull.client.scripts.stream_look import DATA, SAME, SUM, ZEROS, out

REQUEST, PIECE, COMPARE = struct.Struct("<BI"), struct.Struct("<I32s"), 4
HASH = 5  # the sum of a file is wanted, and not its content
BLOCK = 256 << 10
# A file is read for so many bytes beyond its size, or for as many as it had: it may never end.
GROWTH = 1 << 30
ZERO = bytes(BLOCK)


def parsed(text: bytes) -> "tuple[list[tuple[int, int, list[tuple[int, bytes]]]], bytes]":
    """The whole requests of a text, and its rest."""
    found = []
    at = 0
    while len(text) - at >= REQUEST.size:
        kind, number = REQUEST.unpack_from(text, at)
        begin = end = at + REQUEST.size
        if kind == COMPARE:
            begin += 4
            end = begin + PIECE.size * int.from_bytes(text[begin - 4 : begin], "little")
            if begin > len(text) or end > len(text):
                break
        found.append((kind, number, list(PIECE.iter_unpack(text[begin:end]))))
        at = end
    return found, text[at:]


def is_piece(content: bytes, pieces: "list[tuple[int, bytes]]") -> bool:
    """Is this the only one of the pieces?"""
    return len(pieces) == 1 and pieces[0] == (len(content), sha256(content).digest())


def summed(handle: int, expected: int) -> None:
    """Send the sum of a file, which should have so many bytes. Raises OSError."""
    found, left = sha256(), expected + GROWTH
    while left > 0:
        block = os.read(handle, BLOCK)
        if not block:
            break
        found.update(block)
        left -= len(block)
    out.add(SUM, found.digest())


def add(block: bytes) -> None:
    if block == ZERO:
        out.add(ZEROS, struct.pack("<I", BLOCK))
    else:
        out.add(DATA, block)


class Difference:
    """Compares a file with its pieces; tells runs of those that are the same."""

    def __init__(self, handle: int) -> None:
        self.handle = handle
        self.first = self.same = 0  # the run that is not told yet
        self.size = 0  # bytes so far
        self.whole = None  # type: object # the sha256 so far, once anything differs
        self.before = []  # type: list[tuple[int, bytes]] # the pieces up to there
        self.torn = False  # are they no longer what they were told to be?

    def tell(self) -> None:
        if self.same:
            out.add(SAME, struct.pack("<II", self.first, self.same))
        self.same = 0

    def differs(self, blocks: "list[bytes]") -> None:
        """Send what came after all that was told."""
        self.tell()
        if self.whole is None:  # only now is the hash of all wanted, so the beginning is read again
            self.whole = sha256()
            self.again()
        for block in blocks:
            self.hash(block)
            self.size += len(block)
            add(block)

    def again(self) -> None:
        """Hash the beginning, which is told. A program that has mapped the file may have changed it
        since, and no time with it: then nobody knows the hash of what was told."""
        at = 0
        for size, known in self.before:
            end, found = at + size, sha256()
            while at < end:
                block = os.pread(self.handle, min(BLOCK, end - at), at)
                if not block:
                    break
                found.update(block)
                self.hash(block)
                at += len(block)
            self.torn = self.torn or found.digest() != known
            at = end

    def hash(self, block: bytes) -> None:
        self.whole.update(block)  # type: ignore[attr-defined]

    def pieces(self, pieces: "list[tuple[int, bytes]]") -> None:
        """Raises OSError."""
        for number, (size, known) in enumerate(pieces):
            blocks, left, found = [], size, sha256()
            while left:
                block = os.read(self.handle, min(BLOCK, left))
                if not block:
                    break
                found.update(block)
                blocks.append(block)
                left -= len(block)
            if left or found.digest() != known:
                self.differs(blocks)
                if left:
                    return
                continue
            if not self.same:
                self.first = number
            self.same += 1
            self.size += size
            if self.whole is None:
                self.before.append((size, known))
            else:
                for block in blocks:
                    self.hash(block)

    def end(self) -> None:
        self.tell()
        if self.whole is not None and not self.torn:
            out.add(SUM, self.whole.digest())  # type: ignore[attr-defined]


def rest(handle: int, size: int, expected: int, pieces: "list[tuple[int, bytes]]") -> None:
    """Send what is left of a large file, or only what differs from pieces. Raises OSError."""
    difference = Difference(handle)
    difference.pieces(pieces)
    size += difference.size
    while size <= expected + max(expected, GROWTH):
        block = os.read(handle, BLOCK)
        if not block:
            break
        size += len(block)
        if pieces:
            difference.differs([block])
        else:
            add(block)
    difference.end()
