"""The saved entries of a manifest, read as `manifest.py` has written them: a few at a time."""

from __future__ import annotations

import json
import os
import stat
import struct
import zlib
from collections.abc import Iterator
from itertools import islice
from typing import IO, Any, NamedTuple

from borgpull.borg.inside import wire
from borgpull.borg.inside.extras import Extra
from borgpull.borg.inside.manifest import (
    END,
    FURTHER,
    HAS_SUM,
    LENGTH,
    MANY,
    OTHER,
    OUTSIDE,
    RECORD,
    SAVED,
    START,
    known_rows,
)
from borgpull.borg.inside.wire import BadFrame, Stat

# What reading may raise, if something else has written it.
UNREADABLE = (BadFrame, ValueError, KeyError, IndexError, TypeError, struct.error, zlib.error)
_tuple: Any = tuple.__new__
_SUM = 32
_KIND = stat.S_IFMT(0o177777)


class Record(NamedTuple):
    """A saved entry, in the form in which a manifest has it: as little of it as there can be."""

    path: str
    depth: int  # 0 for a named path
    st: Stat
    extra: bytes | Extra
    flags: int
    sum: bytes | None
    source: str  # the first name of a hard link


def heads(file: IO[bytes], end: int | None = None) -> Iterator[tuple[int, int]]:
    """Kind and length of each frame. The file is at its content then.

    A file that is being written has no END yet: `end` is how many bytes of it are there. Raises
    BadFrame if it is cut within a frame.
    """
    at = 0
    while end is None or at < end:
        file.seek(at)
        kind, length = wire.HEAD.unpack(file.read(wire.HEAD.size))
        at += wire.HEAD.size + length
        yield kind, length
        if kind == END:
            return
    if at != end:
        raise BadFrame("it is cut")


class Records:
    """Reads the listing and the records of what was saved of it side by side.

    A manifest of a witness has all records after the whole listing, which can be of any size.
    """

    def __init__(self, file: IO[bytes], end: int | None = None) -> None:
        """`end` is as in `heads`. Raises one of UNREADABLE."""
        self._file = file
        self._places: dict[int, list[tuple[int, int]]] = {wire.LIST: [], SAVED: []}
        self.facts: dict[str, Any] = {}  # of the beginning
        self.names: tuple[dict[int, str | None], dict[int, str | None]] = ({}, {})
        self.outside: list[Any] = []
        for kind, length in heads(file, end):
            if kind in self._places:
                self._places[kind].append((file.tell(), length))
            elif kind == START:
                self.facts = json.loads(file.read(length))
            elif kind == wire.NAME:
                group, number, name = wire.name(file.read(length))
                self.names[group][number] = name
            elif kind == OUTSIDE:
                self.outside = json.loads(file.read(length))

    def _contents(self, kind: int) -> Iterator[bytes]:
        """Of all frames of that kind."""
        for at, length in self._places[kind]:
            self._file.seek(at)
            yield self._file.read(length)

    def _rows(self) -> Iterator[tuple[str, int, Stat, bytes]]:
        """Path, depth, and the rest of each entry of the listing.

        Its frames were taken apart in the run that wrote them, so that they are not checked.
        """
        before = [""]  # what is before the names in the open folders, by depth
        for content in self._contents(wire.LIST):
            for depth, name, st, more in known_rows(content):
                path = before[depth] + name.decode(errors="surrogateescape")
                if st.st_mode & _KIND == stat.S_IFDIR:
                    before[depth + 1 :] = ["" if path == "." else f"{path}/"]
                yield path, depth, st, more

    def __iter__(self) -> Iterator[Record]:
        """Raises one of UNREADABLE."""
        rows, ahead = self._rows(), 0
        for content in self._contents(SAVED):
            at = 0
            while at < len(content):
                number, flags = RECORD.unpack_from(content, at)
                at += RECORD.size
                if flags & MANY:
                    begin, count = at + LENGTH.size, LENGTH.unpack_from(content, at)[0]
                    at = begin + count * (1 + _SUM)
                    _skip(rows, number, ahead)
                    ahead = number + count
                    yield from _many(rows, content[begin:at], count)
                    continue
                found, source = None, ""
                if flags & HAS_SUM:
                    found, at = content[at : at + _SUM], at + _SUM
                if flags & FURTHER:
                    text, at = _text(content, at)
                    source = os.fsdecode(text)
                _skip(rows, number, ahead)
                row = next(rows, None)
                if row is None:
                    raise BadFrame("a record of no entry")
                more: bytes | Extra
                path, depth, st, more = row
                ahead = number + 1
                if flags & OTHER:
                    text, at = _text(content, at)
                    st, more = _other(text)
                # Record(…) would take three times as long.
                yield _tuple(Record, (path, depth, st, more, flags, found, source))


def _skip(rows: Iterator[Any], number: int, ahead: int) -> None:
    """Make the row with this number the next one. Raises BadFrame."""
    if number < ahead:
        raise BadFrame("records out of turn")
    if number > ahead:
        next(islice(rows, number - ahead - 1, None), None)


def _many(
    rows: Iterator[tuple[str, int, Stat, bytes]], content: bytes, count: int
) -> Iterator[Record]:
    """Of a record of MANY. Raises BadFrame."""
    if len(content) != count * (1 + _SUM):
        raise BadFrame("a record is cut")
    at = count
    for flags, row in zip(content[:count], islice(rows, count), strict=True):
        path, depth, st, more = row
        yield _tuple(Record, (path, depth, st, more, flags, content[at : at + _SUM], ""))
        at += _SUM


def _text(content: bytes, at: int) -> tuple[bytes, int]:
    begin = at + LENGTH.size
    end = begin + int(LENGTH.unpack_from(content, at)[0])
    return content[begin:end], end


def _other(text: bytes) -> tuple[Stat, Extra]:
    """What an entry was when it was read."""
    numbers, (pairs, target, flags, access, default) = json.loads(text)
    xattrs = {bytes.fromhex(key): bytes.fromhex(value) for key, value in pairs}
    words = (bytes.fromhex(word) for word in (target, access, default))
    link, acl, default_acl = words
    return Stat._make(numbers), Extra(xattrs, (), link, flags, acl, default_acl)
