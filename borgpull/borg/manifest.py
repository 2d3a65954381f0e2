"""Reads the manifest of an archive, which `inside/manifest.py` has written."""

from __future__ import annotations

import hmac
import json
import os
import stat
from collections import deque
from collections.abc import Iterator
from typing import IO, Any

from borgpull.borg.inside import wire
from borgpull.borg.inside.extras import Extra, extra
from borgpull.borg.inside.manifest import (
    END,
    FORMAT,
    FURTHER,
    HAS_SUM,
    LEADS,
    LENGTH,
    MAC,
    OTHER,
    RECORD,
    SAVED,
    START,
)
from borgpull.borg.inside.places import Places
from borgpull.borg.inside.wire import BadFrame, Stat
from borgpull.trees.item import Item
from borgpull.trees.manifest import Entry

_PIECE = 1 << 20
_SUM = 32
# As borg stores the flags of Linux (borg 1.4.5, platform/linux.pyx).
_FLAGS = {0x40: stat.UF_NODUMP, 0x10: stat.SF_IMMUTABLE, 0x20: stat.SF_APPEND}


class BadManifest(Exception):
    """It is damaged, or is not the one that this server has written of this archive."""


def mac_of(file: IO[bytes]) -> bytes:
    """The MAC that a manifest ends with."""
    file.seek(-MAC, os.SEEK_END)
    return file.read(MAC)


def require_genuine(file: IO[bytes], key: bytes) -> None:
    """Raises BadManifest if this server has not written it."""
    left = os.fstat(file.fileno()).st_size - MAC
    mac = hmac.new(key, digestmod="sha256")
    file.seek(0)
    while left > 0:
        piece = file.read(min(left, _PIECE))
        if not piece:
            break
        mac.update(piece)
        left -= len(piece)
    if left or not hmac.compare_digest(mac.digest(), file.read(MAC)):
        raise BadManifest("its MAC is wrong")


def end_of(file: IO[bytes]) -> dict[str, Any]:
    """What its end says: archive, id, number, before. To be read after `require_genuine`."""
    for kind, content in _frames(file):
        if kind == END:
            found: dict[str, Any] = json.loads(content)
            return found
    raise BadManifest("it has no end")


def entries(file: IO[bytes]) -> Iterator[Entry]:
    """All saved entries, in the archive's order. To be read after `require_genuine`.

    Raises BadManifest.
    """
    try:
        yield from _Reader().entries(file)
    except (BadFrame, ValueError, KeyError, IndexError) as error:
        raise BadManifest(f"it cannot be read: {error}") from None


def _frames(file: IO[bytes]) -> Iterator[tuple[int, bytes]]:
    file.seek(0)
    while True:
        kind, length = wire.HEAD.unpack(file.read(wire.HEAD.size))
        yield kind, file.read(length)
        if kind == END:
            return


class _Reader:
    def __init__(self) -> None:
        self._places = Places([], None)
        self._names: tuple[dict[int, str | None], dict[int, str | None]] = ({}, {})
        self._rows: deque[tuple[int, str, wire.Row]] = deque()  # that may be saved
        self._count = 0

    def entries(self, file: IO[bytes]) -> Iterator[Entry]:
        for kind, content in _frames(file):
            if kind == START:
                facts = json.loads(content)
                if facts["format"] != FORMAT:
                    raise BadManifest(f"it has the format {facts['format']}")
                roots = [os.fsdecode(bytes.fromhex(root)) for root in facts["roots"]]
                self._places = Places(roots, None)
            elif kind == wire.NAME:
                group, number, name = wire.name(content)
                self._names[group][number] = name
            elif kind == wire.LIST:
                self._list(content)
            elif kind == SAVED:
                yield from self._saved(content)

    def _list(self, content: bytes) -> None:
        for row in wire.rows(content):
            path = self._places.path(row.depth, row.name)
            assert path is not None
            if stat.S_ISDIR(row.st.st_mode):
                self._places.saves(path)
                self._places.enter(path)
            self._rows.append((self._count, path, row))
            self._count += 1

    def _saved(self, content: bytes) -> Iterator[Entry]:
        at = 0
        while at < len(content):
            number, flags = RECORD.unpack_from(content, at)
            at += RECORD.size
            found, source = None, ""
            if flags & HAS_SUM:
                found, at = content[at : at + _SUM].hex(), at + _SUM
            if flags & FURTHER:
                text, at = _text(content, at)
                source = os.fsdecode(text)
            while self._rows[0][0] != number:
                self._rows.popleft()
            _, path, row = self._rows.popleft()
            st, more = row.st, extra(row.extra)
            if flags & OTHER:
                text, at = _text(content, at)
                st, more = _other(text)
            links = source or (path if flags & LEADS else "")
            yield self._entry(path, st, more, links, found)

    def _entry(self, path: str, st: Stat, more: Extra, links: str, found: str | None) -> Entry:
        users, groups = self._names
        item = Item(
            path=path,
            mode=stat.filemode(st.st_mode),
            size=st.st_size if stat.S_ISREG(st.st_mode) else 0,
            mtime_ns=st.st_mtime_ns,
            uid=st.st_uid,
            gid=st.st_gid,
            user=users.get(st.st_uid) or st.st_uid,
            group=groups.get(st.st_gid) or st.st_gid,
            target=os.fsdecode(more.target),
            links=links,
            xattrs=len(more.xattrs),
            acls=bool(more.access) + 2 * bool(more.default),
            flags=sum(bsd for linux, bsd in _FLAGS.items() if more.flags & linux),
            inode=f"{st.st_dev}:{st.st_ino}",
        )
        rdev = st.st_rdev if stat.S_IFMT(st.st_mode) in (stat.S_IFBLK, stat.S_IFCHR) else 0
        return Entry(item, st.st_ctime_ns, rdev, found, more.xattrs, more.access, more.default)


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
