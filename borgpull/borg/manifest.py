"""Reads the manifest of an archive, which `inside/manifest.py` has written."""

from __future__ import annotations

import contextlib
import hmac
import json
import os
import stat
import struct
from collections.abc import Iterator
from typing import IO, Any, Literal

from borgpull.borg.inside.extras import Extra, extra
from borgpull.borg.inside.manifest import END, FORMAT, KNOWN, LEADS, MAC, START, UNSURE
from borgpull.borg.inside.records import UNREADABLE, Record, Records, heads
from borgpull.trees.item import SECOND, Item
from borgpull.trees.manifest import Entry

_PIECE = 1 << 20
# As borg stores the flags of Linux (borg 1.4.5, platform/linux.pyx).
_FLAGS = {0x40: stat.UF_NODUMP, 0x10: stat.SF_IMMUTABLE, 0x20: stat.SF_APPEND}


# Why a manifest cannot be relied on. It is looked at in this order:
# `missing`: there is none. `mac`: this server has not written it, or it was changed since.
# `number`: it has another one's. `predecessor`: the one before is not the one that it names.
# `archive`: it is another archive's. `format`: another version of borgpull wrote it. `damaged`: it
# cannot be read all the same.
Why = Literal["missing", "mac", "number", "predecessor", "archive", "format", "damaged"]


class BadManifest(Exception):
    """It is damaged, or is not the one that this server has written of this archive."""

    def __init__(self, why: Why, text: str) -> None:
        self.why: Why = why
        super().__init__(text)


def mac_of(file: IO[bytes]) -> bytes:
    """The MAC that a manifest ends with. Raises BadManifest if it is too short for one."""
    if os.fstat(file.fileno()).st_size < MAC:
        raise BadManifest("mac", "it is cut")
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
        raise BadManifest("mac", "its MAC is wrong")


def facts_of(file: IO[bytes]) -> tuple[dict[str, Any], dict[str, Any]]:
    """What its beginning says: format, roots, carried; and its end: archive, id, number, before.

    To be read after `require_genuine`. Raises BadManifest.
    """
    begin: dict[str, Any] = {}
    try:
        for kind, length in heads(file):
            if kind == START:
                begin = json.loads(file.read(length))
            elif kind == END:
                return begin, json.loads(file.read(length))
    except (ValueError, struct.error) as error:
        raise BadManifest("damaged", f"it cannot be read: {error}") from None
    raise BadManifest("damaged", "it has no end")


def begin_of(file: IO[bytes]) -> dict[str, Any]:
    """What its beginning says, quickly, and whoever wrote it; empty if that cannot be read."""
    with contextlib.suppress(ValueError, struct.error):
        for kind, length in heads(file):
            found = json.loads(file.read(length)) if kind == START else None
            return found if isinstance(found, dict) else {}
    return {}


def require_format(begin: dict[str, Any]) -> None:
    """Raises BadManifest if this version of borgpull does not know its format."""
    found = begin.get("format")
    if found not in KNOWN:
        age = "an older" if isinstance(found, int) and found < FORMAT else "a newer"
        raise BadManifest("format", f"{age} version of borgpull wrote it, in the format {found}")


def entries(file: IO[bytes]) -> Iterator[Entry]:
    """All entries, in the archive's order, with what the archive can have of them.

    To be read after `require_genuine`. Raises BadManifest.
    """
    with _understood():
        found = _known(file)
        yield from map(_Reader(found).entry, found)
        yield from map(_outside, found.outside)


def records(file: IO[bytes], end: int | None = None) -> Iterator[Record]:
    """Those that the client's listing has, three times as fast. Raises BadManifest.

    Of a manifest that is being written, `end` is how many bytes are there.
    """
    with _understood():
        yield from _known(file, end)


def paths(file: IO[bytes]) -> Iterator[str]:
    """Those of all entries, faster than `entries`. Raises BadManifest."""
    with _understood():
        found = _known(file)
        yield from (record.path for record in found)
        yield from (os.fsdecode(bytes.fromhex(row[0])) for row in found.outside)


def _known(file: IO[bytes], end: int | None = None) -> Records:
    found = Records(file, end)
    require_format(found.facts)
    return found


@contextlib.contextmanager
def _understood() -> Iterator[None]:
    try:
        yield
    except UNREADABLE as error:
        raise BadManifest("damaged", f"it cannot be read: {error}") from None


class _Reader:
    def __init__(self, found: Records) -> None:
        self._names = found.names
        self._sees = frozenset(found.facts["carried"]) & frozenset(found.facts["kept"])
        self._witnessed = bool(found.facts.get("some"))

    def entry(self, record: Record) -> Entry:
        path, st = record.path, record.st
        more = extra(record.extra) if isinstance(record.extra, bytes) else record.extra
        links = record.source or (path if record.flags & LEADS else "")
        users, groups = self._names
        sees, ns = self._sees, "ns" in self._sees
        acls = "acls" in sees
        item = Item(
            path=path,
            mode=stat.filemode(st.st_mode),
            size=st.st_size if stat.S_ISREG(st.st_mode) else 0,
            mtime_ns=st.st_mtime_ns if ns else st.st_mtime_ns // SECOND * SECOND,
            uid=st.st_uid,
            gid=st.st_gid,
            user=users.get(st.st_uid) or st.st_uid,
            group=groups.get(st.st_gid) or st.st_gid,
            target=os.fsdecode(more.target),
            links=links if "links" in sees else None,
            xattrs=",".join(sorted(map(bytes.hex, more.xattrs))) if "xattrs" in sees else None,
            acls=bool(more.access) + 2 * bool(more.default) if acls else None,
            flags=_bsd_flags(more) if "flags" in sees else None,
            inode=f"{st.st_dev}:{st.st_ino}" if "links" in sees else None,
        )
        rdev = st.st_rdev if stat.S_IFMT(st.st_mode) in (stat.S_IFBLK, stat.S_IFCHR) else 0
        sure = not record.flags & UNSURE
        return Entry(
            item=item,
            ctime_ns=st.st_ctime_ns if "ctimes" in sees else None,
            rdev=rdev if not rdev or "devices" in sees else None,
            sha256=record.sum.hex() if record.sum is not None else None,
            xattrs=more.xattrs if "xattrs" in sees else None,
            access=more.access if acls else None,
            default=more.default if acls else None,
            sure=sure,
            ns=ns,
            loose=self._witnessed and not sure,
        )


def _bsd_flags(more: Extra) -> int:
    return sum(bsd for linux, bsd in _FLAGS.items() if more.flags & linux)


def _outside(row: list[Any]) -> Entry:
    """An entry of the archive that the listing does not have. Nothing is sure of it."""
    path, mode, size, mtime, uid, gid, user, group, target = row
    item = Item(
        path=os.fsdecode(bytes.fromhex(path)),
        mode=stat.filemode(mode),
        size=size,
        mtime_ns=mtime,
        uid=uid,
        gid=gid,
        user=user,
        group=group,
        target=os.fsdecode(bytes.fromhex(target)),
    )
    return Entry(item, None, None, None, None, None, None, sure=False)
