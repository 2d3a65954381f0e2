"""An entry as a client had it when it was archived: more than an archive's listing tells."""

from __future__ import annotations

from typing import NamedTuple

from borgpull.trees.item import Item


class Entry(NamedTuple):
    """What a restored entry is compared with."""

    item: Item
    ctime_ns: int
    rdev: int  # of a device
    sha256: str | None  # of a file's content; None if it is not known, or with its first name
    xattrs: dict[bytes, bytes]
    access: bytes  # an ACL, as the kernel has it; b"" if it has none
    default: bytes
