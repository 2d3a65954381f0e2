"""An entry as a client had it when it was archived: more than an archive's listing tells."""

from __future__ import annotations

from typing import Literal, NamedTuple, get_args

from borgpull.trees.item import Item

# What not every reader can see on a client, and not every method keeps. Without `ns`, times are
# whole seconds.
Carried = Literal["xattrs", "acls", "flags", "links", "ns", "devices", "ctimes"]
ALL: tuple[Carried, ...] = get_args(Carried)


class Entry(NamedTuple):
    """What a restored entry is compared with.

    A field is None if the reader could not see it, or if the method of the backup does not keep it.
    """

    item: Item
    ctime_ns: int | None
    rdev: int | None  # of a device; 0 of others
    sha256: str | None  # of a file's content; None if it is not known, or with its first name
    xattrs: dict[bytes, bytes] | None
    access: bytes | None  # an ACL, as the kernel has it; b"" if it has none
    default: bytes | None
    sure: bool = True  # False if it may have changed while it was read: a restore may differ
    ns: bool = True  # False if its time is in whole seconds, rounded down
    # It is not sure, and was seen by another program than the backup's: only its path is known.
    loose: bool = False
