"""What a survey tells of a target: the folder, the user that writes there, and what is in it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from borgpull.trees.folders import ways
from borgpull.trees.item import Item

# The bits of the capabilities that restoring needs (capabilities(7)).
CAP_CHOWN, CAP_MKNOD = 0, 27


@dataclass(frozen=True, kw_only=True)
class Ground:
    """The target folder, our user there, and what is in the places that were asked for."""

    state: str  # folder, missing, file
    empty: bool = True
    writable: bool = False
    free_bytes: int
    free_inodes: int | None = None  # None if the file system does not count them
    uid: int
    user: str
    capabilities: int
    holes: bool = True  # can files have holes there? True if not known
    inodes: bool = True  # are the visible inode numbers the target's own?
    found: dict[str, Item] = field(default_factory=dict)  # by the item's place


def barred(items: Iterable[Item], ground: Ground) -> set[str]:
    """The places above the items where something other than a folder is: a symlink, say."""
    found = ground.found
    on_the_way = ways(item.place for item in items)
    return {way for way in on_the_way if way in found and not found[way].folder}


def incapable(item: Item, ground: Ground, *, numeric: bool) -> Iterator[str]:
    """The kinds of an item that the kernel at the target does not let this user restore."""
    if not ground.capabilities >> CAP_CHOWN & 1 and not owned(item, ground, numeric=numeric):
        yield "owners"
    if not ground.capabilities >> CAP_MKNOD & 1 and item.kind in "bc":
        yield "devices"


def owned(item: Item, ground: Ground, *, numeric: bool) -> bool:
    """Is its owner the user who writes there? Then the owner need not be set."""
    return item.uid == ground.uid or (not numeric and item.user == ground.user)
