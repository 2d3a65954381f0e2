"""The helper of `borgpull stream`: what differs in a file from what the server has.

A piece is its size, and the sha256 that it had. The pieces of a file follow each other.
"""

import os
import struct
from hashlib import sha256

from borgpull.client.scripts.stream_beside import Beside, alike, room, threads
from borgpull.client.scripts.stream_look import DATA, SAME, SUM, ZEROS, out

MYPY = False
if MYPY:  # a Python before 3.9 could not read it
    from typing import Any

REQUEST, PIECE, COMPARE = struct.Struct("<BI"), struct.Struct("<I32s"), 4
HASH = 5  # the sum of a file is wanted, and not its content
INODES, DEVICES, NUMBER = 7, 8, struct.Struct("<Q")  # numbers follow
BLOCK = 256 << 10
# A file is read for so many bytes beyond its size, or for as many as it had: it may never end.
GROWTH = 1 << 30
ZERO = bytes(BLOCK)


def parsed(text: bytes) -> "tuple[list[tuple[int, int, list[tuple[Any, ...]]]], bytes]":
    """The whole requests of a text, and its rest."""
    found = []  # type: list[tuple[int, int, list[tuple[Any, ...]]]]
    at = 0
    while len(text) - at >= REQUEST.size:
        kind, number = REQUEST.unpack_from(text, at)
        begin = end = at + REQUEST.size
        item = PIECE if kind == COMPARE else NUMBER
        if kind in (COMPARE, INODES, DEVICES):
            begin += 4
            end = begin + item.size * int.from_bytes(text[begin - 4 : begin], "little")
            if begin > len(text) or end > len(text):
                break
        found.append((kind, number, list(item.iter_unpack(text[begin:end]))))
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

    def __init__(self, handle: int, pieces: "list[tuple[int, bytes]]") -> None:
        self.handle, self.pieces = handle, pieces
        self.first = self.same = 0  # the run that is not told yet
        self.size = 0  # bytes so far
        self.whole = None  # type: object # the sha256 so far, once anything differs
        self.before = 0  # the number of the pieces up to there
        self.torn = False  # are they no longer what they were told to be?
        self.room = 0  # the number of the one for the last piece, which may still be hashed

    def tell(self) -> None:
        if self.same:
            out.add(SAME, struct.pack("<II", self.first, self.same))
        self.same = 0

    def begin(self) -> None:
        """Only now is the hash of all wanted, so the beginning is read again."""
        self.whole = Beside() if threads(self.pieces) > 1 else sha256()
        self.again()

    def differs(self, blocks: "list[memoryview]", hashed: bool) -> None:
        """Send what came after all that was told."""
        self.tell()
        if self.whole is None:
            self.begin()
        for block in blocks:
            if not hashed:
                self.hash(block)
            self.size += len(block)
            add(bytes(block))

    def again(self) -> None:
        """Hash the beginning, which is told. A program that has mapped the file may have changed it
        since, and no time with it: then nobody knows the hash of what was told."""
        at = 0
        for size, known in self.pieces[: self.before]:
            end, found = at + size, sha256()
            while at < end:
                block = os.pread(self.handle, min(BLOCK, end - at), at)
                if not block:
                    break
                self.hash(block)
                found.update(block)
                at += len(block)
            self.torn = self.torn or found.digest() != known
            at = end

    def hash(self, block: "bytes | memoryview") -> None:
        self.whole.update(block)  # type: ignore[attr-defined]

    def read(self, size: int) -> "tuple[list[memoryview], bytes]":
        """The next blocks up to a size, and the sha256 of them. They stay until the next but one.

        Raises OSError.
        """
        if self.whole is not None:
            self.room = 1 - self.room
        left, blocks, found = room(self.room, size), [], sha256()
        while left:
            count = os.readv(self.handle, [left[:BLOCK]])
            if not count:
                break
            blocks.append(left[:count])
            left = left[count:]
            if self.whole is not None:
                self.hash(blocks[-1])
            found.update(blocks[-1])
        return blocks, found.digest()

    def compare(self) -> None:
        """Raises OSError."""
        self.before = self.same = alike(self.handle, self.pieces)
        self.size = sum(size for size, _ in self.pieces[: self.before])
        for number in range(self.before, len(self.pieces)):
            size, known = self.pieces[number]
            hashed = self.whole is not None
            blocks, found = self.read(size)
            left = size - sum(map(len, blocks))
            if left or found != known:
                self.differs(blocks, hashed)
                if left:
                    return
                continue
            if not self.same:
                self.first = number
            self.same += 1
            self.size += size
            if self.whole is None:
                self.before += 1

    def end(self) -> None:
        self.tell()
        if self.whole is not None and not self.torn:
            out.add(SUM, self.whole.digest())  # type: ignore[attr-defined]

    def close(self) -> None:
        """No thread of it goes on."""
        if isinstance(self.whole, Beside):
            self.whole.end()


def rest(handle: int, size: int, expected: int, pieces: "list[tuple[int, bytes]]") -> None:
    """Send what is left of a large file, or only what differs from pieces. Raises OSError."""
    difference = Difference(handle, pieces)
    try:
        difference.compare()
        size += difference.size
        while size <= expected + max(expected, GROWTH):
            block = os.read(handle, BLOCK)
            if not block:
                break
            size += len(block)
            if pieces:
                difference.differs([memoryview(block)], hashed=False)
            else:
                add(block)
        difference.end()
    finally:
        difference.close()
