"""The kinds of differences between an entry at a target and the archive's item."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from borgpull.trees.item import SECOND, Item
from borgpull.trees.survey import Ground

# The names of owner and group at the target, by their numbers.
Names = dict[tuple[int, int], tuple[str | int | None, str | int | None]]
# Kinds of difference that may mean another content.
UNFINISHED = {"missing", "types", "sizes", "times"}
SHOWN_PATHS = 20


def differs(item: Item, found: Item | None, names: Names | None = None) -> set[str]:
    """The kinds by which an entry differs from the archive's `item`.

    Owners are compared by number, or by the names that `names` has. Times are compared by whole
    seconds.
    """
    if found is None:
        return {"missing"}
    if found.kind != item.kind:
        return {"types"}
    kinds = set()
    # A symlink's mode cannot be set, so it is not compared.
    if found.mode != item.mode and item.kind != "l":
        kinds.add("modes")
    if found.target not in (None, item.target):
        kinds.add("targets")
    if item.regular and found.size != item.size:
        kinds.add("sizes")
    time = item.mtime_ns // SECOND
    # A folder's time is not compared, because a live machine works in it. But it is compared if not
    # every file system can keep it.
    if found.mtime_ns // SECOND != time and (not item.folder or not 0 <= time < 1 << 31):
        kinds.add("times")
    if not _owned(item, found, names or {}):
        kinds.add("owners")
    return kinds


def _owned(item: Item, found: Item, names: Names) -> bool:
    if (found.uid, found.gid) == (item.uid, item.gid):
        return True
    user, group = names.get((found.uid, found.gid), (None, None))
    return (item.uid == found.uid or item.user == user) and (
        item.gid == found.gid or item.group == group
    )


class Links:
    """Finds an archive's hard links that are none at the target, or not all right there."""

    def __init__(self) -> None:
        self._inodes: dict[int, int] = {}  # hashes, by the hash of a first name
        self._broken: set[int] = set()

    def __bool__(self) -> bool:
        return bool(self._broken)

    def see(self, item: Item, found: Item | None, ground: Ground) -> None:
        """Note one of the names, and what is in its place."""
        if item.links and found and ground.inodes:
            inode = hash(found.inode)
            if self._inodes.setdefault(hash(item.links), inode) != inode:
                self._broken.add(hash(item.links))

    def spoil(self, item: Item) -> None:
        """Note that one of the names is not right."""
        if item.links:
            self._broken.add(hash(item.links))

    def broken(self, item: Item) -> bool:
        return bool(item.links) and hash(item.links) in self._broken


@dataclass
class Differences:
    """What is not as in the archive: numbers by kind, the first paths, and missing bytes."""

    kinds: Counter[str] = field(default_factory=Counter)
    paths: list[str] = field(default_factory=list)
    lacking: int = 0
    holes: bool = False  # do holes take no bytes at the target?

    def add(self, item: Item, kinds: set[str]) -> None:
        self.kinds.update(kinds)
        if kinds & {"missing", "sizes"} and item.regular and item.first_name:
            self.lacking += item.size - item.holes * self.holes
        if len(self.paths) < SHOWN_PATHS:
            self.paths.append(f"/{item.path} ({', '.join(sorted(kinds))})")
