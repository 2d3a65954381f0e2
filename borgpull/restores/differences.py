"""The target and the archive, held against each other item by item."""

from __future__ import annotations

import stat
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from borgpull.borg.items import Item
from borgpull.restores import losses
from borgpull.restores.survey import Found, Ground, Names

SHOWN_PATHS = 20


def differs(item: Item, found: Found | None, names: Names | None = None) -> set[str]:
    """How a thing at the target differs from the archive's, by kinds; owners by number, unless
    `names` tells what those are called there."""
    if found is None:
        return {"missing"}
    kinds = set()
    mode = stat.filemode(found.mode)
    if mode[0] != item.kind:
        return {"types"}
    # Not of symlinks: their mode is nobody's to set.
    if mode != item.mode and mode[0] != "l":
        kinds.add("modes")
    if found.target not in (None, item.target):
        kinds.add("targets")
    if item.regular and found.size != item.size:
        kinds.add("sizes")
    # Not of folders: a machine that is alive works in them.
    if mode[0] != "d" and found.mtime != item.mtime_ns // losses.SECOND:
        kinds.add("times")
    if not _owned(item, found, names or {}):
        kinds.add("owners")
    return kinds


def _owned(item: Item, found: Found, names: Names) -> bool:
    if (found.uid, found.gid) == (item.uid, item.gid):
        return True
    user, group = names.get((found.uid, found.gid), (None, None))
    return (item.uid == found.uid or item.user == user) and (
        item.gid == found.gid or item.group == group
    )


def right(items: Sequence[Item], ground: Ground) -> set[str]:
    """The paths of regular files that need no restoring: size and time are the archive's.

    borg sets a file's time after content, owner, mode, ACLs and xattrs (borg 1.4.5, archive.py,
    restore_attrs), so that one with the right time is whole. Hard links are right together or not
    at all: borg can only link to what it extracts itself.
    """
    good = {
        item.path
        for item in items
        if item.regular
        and not differs(item, ground.found.get(item.place)) & UNFINISHED
        and exactly_named(item.path)
    }
    bad = {item.links for item in items if item.links and item.path not in good}
    bad |= split_links(items, ground)
    return {item.path for item in items if item.path in good and item.links not in bad}


UNFINISHED = {"missing", "types", "sizes", "times"}


def exactly_named(path: str) -> bool:
    """Can a line of a file of patterns name it? borg strips such lines, and reads them as text."""
    return path.isprintable() and path == path.strip()


def split_links(items: Iterable[Item], ground: Ground) -> set[str]:
    """First names of hard links that are no links of each other at the target."""
    inodes: dict[str, set[str]] = {}
    for item in items:
        if ground.inodes and item.links and (found := ground.found.get(item.place)):
            inodes.setdefault(item.links, set()).add(found.inode)
    return {name for name, several in inodes.items() if len(several) > 1}


@dataclass
class Differences:
    """What is not as in the archive: numbers by kind, the first paths, and bytes not there."""

    kinds: Counter[str] = field(default_factory=Counter)
    paths: list[str] = field(default_factory=list)
    lacking: int = 0

    def add(self, item: Item, kinds: set[str]) -> None:
        self.kinds.update(kinds)
        if kinds & {"missing", "sizes"} and item.regular and item.first_name:
            self.lacking += item.size
        if len(self.paths) < SHOWN_PATHS:
            self.paths.append(f"/{item.path} ({', '.join(sorted(kinds))})")


def compare(
    items: Sequence[Item],
    ground: Ground,
    *,
    names: Names | None = None,
    lost: frozenset[str] = frozenset(),
) -> Differences:
    """The target after a restore against the archive, but for the kinds that are known as lost.

    Owners go by number, or by the `names` of `owners`.
    """
    done = Differences()
    split = split_links(items, ground)
    for item in items:
        if lost and losses.lost_whole(item, lost):
            continue
        kinds = differs(item, ground.found.get(item.place), names)
        if lost and kinds:
            kinds -= losses.hidden(item, lost)
        if item.links in split:
            kinds.add("hard_links")
        if kinds:
            done.add(item, kinds)
    return done
