"""What the guard keeps of an archive: 24 bytes for each file, and 16 if it is hard to compress.

Rows are in buckets by the hash of their path. Two sketches are compared bucket by bucket, a few
rows at a time, and as sets where these differ: what is the same in both costs next to nothing.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import NamedTuple

from borgpull.state import files

BUCKETS = 64
HASH, ROW, HARD = 8, 24, 16  # bytes
NO_STEM = bytes(HASH)  # of a file whose name says that it is packed
# Hash of the path, content, and size with flags. The row of a folder has the number of files below
# it as its content, and their bytes as its size.
_ROW = struct.Struct("<8sQQ")
_HARD = struct.Struct("<8s8s")
_FEW = 8 * ROW  # bytes that are compared at once
# SUMMED: the content is known by its sum, and not by its time. SPARE: nobody misses it (`spare`).
SUMMED, SPARE, FOLDER, MOUNT = 1, 2, 4, 8
_pack = _ROW.pack
_SHIFT, _MASK = 8, (1 << 64) - 1
_MAGIC = b"bpguard1"
_HEAD = struct.Struct("<8sI")  # magic, CRC-32 of the rest
_SIZES = struct.Struct(f"<{2 * BUCKETS}Q")


class Row(NamedTuple):
    """A file or folder."""

    path: bytes  # its hash
    content: int
    size: int
    flags: int


class Place(NamedTuple):
    """Where a sketch has a row."""

    bucket: bytearray
    at: int
    row: Row

    def put(self, content: int, size: int, flags: int) -> None:
        """Put another row of the same path there."""
        meta = (size << _SHIFT | flags) & _MASK
        self.bucket[self.at : self.at + ROW] = _pack(self.row.path, content & _MASK, meta)


def unpacked(row: bytes | bytearray) -> Row:
    path, content, meta = _ROW.unpack(row)
    return Row(path, content, meta >> _SHIFT, meta & ((1 << _SHIFT) - 1))


def bucket(path: bytes) -> int:
    """Of the hash of a path."""
    return path[0] % BUCKETS


def _buckets() -> list[bytearray]:
    return [bytearray() for _ in range(BUCKETS)]


@dataclass
class Sketch:
    """The rows of one archive, and what is hard to compress: the hash of each path, and the hash of
    the path without its last suffix, or NO_STEM."""

    rows: list[bytearray] = field(default_factory=_buckets)
    hard: list[bytearray] = field(default_factory=_buckets)

    def add(self, path: bytes, content: int, size: int, flags: int) -> None:
        meta = (size << _SHIFT | flags) & _MASK
        self.rows[path[0] % BUCKETS] += _pack(path, content & _MASK, meta)

    def copy(self) -> Sketch:
        """The same rows; nothing is hard to compress."""
        return Sketch([bytearray(part) for part in self.rows])

    def find(self, path: bytes) -> Place | None:
        """The row of a hash of a path."""
        rows = self.rows[path[0] % BUCKETS]
        at = rows.find(path)
        while at % ROW and at >= 0:  # the hash is in the middle of another row
            at = rows.find(path, at + 1)
        return Place(rows, at, unpacked(rows[at : at + ROW])) if at >= 0 else None

    @property
    def hard_paths(self) -> int:
        """How many."""
        return sum(map(len, self.hard)) // HARD

    def learn(self, path: bytes, stem: bytes) -> None:
        """It is hard to compress."""
        self.hard[bucket(path)] += path + stem

    def learn_all(self, number: int, hard: Mapping[bytes, bytes]) -> None:
        """These paths of a bucket are hard to compress."""
        self.hard[number] += b"".join(chain.from_iterable(hard.items()))

    def hard_of(self, number: int) -> dict[bytes, bytes]:
        """What is hard to compress in a bucket: paths and stems."""
        return dict(_HARD.iter_unpack(self.hard[number]))

    def known_hard(self) -> Iterator[tuple[bytes, bytes]]:
        """Paths and stems."""
        for part in self.hard:
            yield from _HARD.iter_unpack(part)

    def pairs(self, other: Sketch) -> Iterator[tuple[set[bytes], set[bytes]]]:
        """A bucket at a time: the rows that only this one has, and those that only the other one
        has.

        An odd file system may list a name twice. Such a row may be here though both have it, which
        is a false alarm at most.
        """
        for ours, theirs in zip(self.rows, other.rows, strict=True):
            some, others = bytes(ours), bytes(theirs)
            mine: set[bytes] = set()
            yours: set[bytes] = set()
            for at in range(0, max(len(some), len(others)), _FEW):
                end = at + _FEW
                if some[at:end] != others[at:end]:
                    mine.update(_cut(some[at:end]))
                    yours.update(_cut(others[at:end]))
            yield mine - yours, yours - mine

    def write(self, path: Path) -> None:
        """Raises DiskFull, StorageFailed, ConfigError."""
        parts = [*self.rows, *self.hard]
        content = _SIZES.pack(*map(len, parts)) + b"".join(parts)
        files.replace(path, _HEAD.pack(_MAGIC, zlib.crc32(content)) + content, mode=0o600)


def read(path: Path) -> Sketch | None:
    """None if there is none, or if it is damaged."""
    try:
        text = path.read_bytes()
        magic, crc = _HEAD.unpack_from(text)
        sizes = _SIZES.unpack_from(text, _HEAD.size)
    except (OSError, struct.error):
        return None
    if magic != _MAGIC or zlib.crc32(memoryview(text)[_HEAD.size :]) != crc:
        return None
    parts, at = [], _HEAD.size + _SIZES.size
    for size in sizes:
        parts.append(bytearray(text[at : at + size]))
        at += size
    return Sketch(parts[:BUCKETS], parts[BUCKETS:])


def _cut(rows: bytes) -> Iterator[bytes]:
    return (rows[at : at + ROW] for at in range(0, len(rows), ROW))
