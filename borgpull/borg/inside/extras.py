"""What the helper of `stream` tells of an entry beside its stat(2): attributes, ACLs, flags."""

from __future__ import annotations

import struct
from typing import NamedTuple

from borgpull.borg.inside.wire import require

_EXTRA = struct.Struct("<cHI")  # a tag, the length of its key and of its value
# Bounds, in bytes. Linux limits an attribute's name to 255, its value to 65,536, a target to 4,095.
MAX_KEY, MAX_VALUE, MAX_TARGET = 512, 64 << 10, 4096
MAX_XATTRS, MAX_FAILED = 10_000, 1000  # their number: Linux limits the list to 65,536 bytes


class Extra(NamedTuple):
    """What an entry has beside its stat(2)."""

    xattrs: dict[bytes, bytes]
    failed: tuple[tuple[bytes, int], ...]  # attributes that could not be read; b"" for their list
    target: bytes = b""  # of a symlink
    flags: int = 0  # as the kernel counts them (linux/fs.h)
    access: bytes = b""  # an ACL, as the kernel has it
    default: bytes = b""
    closed: int = 0  # the errno if the file could not be opened
    fresh: bool = False  # of an open file that has changed since it was listed

    def is_bare(self) -> bool:
        """Has it nothing, as far as is known?"""
        return self._replace(fresh=False) == NO_EXTRA


NO_EXTRA = Extra({}, ())


def extra(content: bytes) -> Extra:
    """What is behind an entry, or in the beginning of a file."""
    if not content:
        return NO_EXTRA
    found = Extra({}, ())
    at = 0
    while at < len(content):
        require(at + _EXTRA.size <= len(content))
        tag, length, size = _EXTRA.unpack_from(content, at)
        at += _EXTRA.size
        require(length <= MAX_KEY and size <= MAX_VALUE and at + length + size <= len(content))
        key, value = content[at : at + length], content[at + length : at + length + size]
        at += length + size
        found = _with(found, tag, key, value)
    return found


def _with(found: Extra, tag: bytes, key: bytes, value: bytes) -> Extra:
    if tag == b"x":
        require(bool(key) and b"\0" not in key and len(found.xattrs) < MAX_XATTRS)
        found.xattrs[key] = value
        return found
    if tag == b"e":
        if len(found.failed) >= MAX_FAILED:
            return found
        return found._replace(failed=(*found.failed, (key, _decimal(value))))
    require(not key)
    if tag in (b"A", b"D"):
        require(4 <= len(value) <= MAX_VALUE and len(value) % 8 == 4)
        return found._replace(access=value) if tag == b"A" else found._replace(default=value)
    if tag == b"l":
        require(0 < len(value) <= MAX_TARGET and b"\0" not in value)
        return found._replace(target=value)
    if tag == b"f":
        return found._replace(flags=_decimal(value))
    if tag == b"o":
        return found._replace(closed=_decimal(value))
    require(tag == b"n")
    return found._replace(fresh=True)


def _decimal(value: bytes) -> int:
    require(0 < len(value) <= 10 and value.isdigit())
    return int(value)
