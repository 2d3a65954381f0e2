"""What a restore will do, found out item by item."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import compress
from typing import Any

from borgpull.jobs import Restore
from borgpull.restores.attributes import lacking
from borgpull.restores.base import Order, Site
from borgpull.restores.before import ABSENT, FOLDER, Before
from borgpull.trees import losses
from borgpull.trees.differences import SHOWN_PATHS, UNFINISHED, Links, differs
from borgpull.trees.folders import lies_in
from borgpull.trees.item import Item, Items
from borgpull.trees.survey import CAP_CHOWN, Ground, barred, incapable, owned


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What a restore will do."""

    archive: str
    items: Items
    going: Items  # the items that borg will extract
    before: Before  # what is in the places of these items now
    named: tuple[str, ...]  # paths of the job with something to extract at or below them
    patterns: bytes  # for borg: patterns of the items that it must leave out
    obstacles: list[Item]  # folders of the archive in whose place is something else: a symlink, say
    skipped: int  # number of files that are right already
    overwritten: int
    overwritten_paths: list[str]  # the first ones
    lost: dict[str, int]  # what the way cannot carry: numbers by kind
    incapable: dict[str, int]  # what this user may not restore there: numbers by kind
    bytes: int
    need_bytes: int
    need_inodes: int

    @property
    def cannot(self) -> dict[str, int]:
        return {**self.incapable, **self.lost}

    def order(self, job: Restore) -> Order:
        return Order(
            archive=self.archive,
            paths=self.named,
            strip=job.strip,
            numeric=job.by_number,
            patterns=self.patterns,
        )

    def data(self) -> dict[str, Any]:
        return {
            "archive": self.archive,
            "items": len(self.items),
            "bytes": self.bytes,
            "skipped": self.skipped,
            "overwritten": self.overwritten,
            "overwritten_paths": self.overwritten_paths,
            "cannot": self.cannot,
        }


class Tally:
    """Call `look` for all items or for none, then `count` for all, then `plan`."""

    def __init__(self, job: Restore, site: Site, ground: Ground) -> None:
        self._job, self._site, self._ground = job, site, ground
        self._holes = site.holes and ground.holes
        self._names = {path.strip("/"): False for path in job.paths if path.strip("/")}
        self._before, self._of_going = Before(), Before()
        self._right, self._links = bytearray(), Links()
        self._barred: set[str] = set()
        self._going, self._patterns = bytearray(), bytearray()
        self._obstacles: list[Item] = []
        self._overwritten_paths: list[str] = []
        self._lost: Counter[str] = Counter()
        self._incapable: Counter[str] = Counter()
        self._numbers: Counter[str] = Counter()

    def look(self, items: Sequence[Item], ground: Ground) -> None:
        """Note what is in the places of some items."""
        self._barred |= barred(items, ground)
        found = [ground.found.get(item.place) for item in items]
        for there in found:
            self._before.add(there)
        if self._job.overwrite == "changed":
            self._look_what_is_right(items, found, ground)

    def _look_what_is_right(
        self, items: Sequence[Item], found: Sequence[Item | None], ground: Ground
    ) -> None:
        same = [right(item, there) for item, there in zip(items, found, strict=True)]
        # An earlier run may have written all of it, but for attributes.
        spoilt = {item.place for item, _ in lacking(self._site, compress(items, same))}
        for item, there, is_right in zip(items, found, same, strict=True):
            whole = is_right and item.place not in spoilt and not self._is_taken(item, ground)
            self._right.append(whole)
            self._links.see(item, there, ground)
            if not whole:
                self._links.spoil(item)

    def _is_taken(self, item: Item, ground: Ground) -> bool:
        """Has the user who writes there the owner's number, and another name? Then the file cannot
        get its owner. Only writing it once more tells that.
        """
        if self._job.by_number or ground.capabilities >> CAP_CHOWN & 1:
            return False
        named = isinstance(item.user, str) and item.user != ground.user
        return named and item.uid == ground.uid

    def barred(self, items: Items) -> list[str]:
        """Places above the items that are no folder at the target, and no item either."""
        if self._barred:
            self._barred -= {item.place for item in items if item.place in self._barred}
        return sorted(self._barred)

    def count(self, index: int, item: Item) -> None:
        """Count the item with this index."""
        site, numeric = self._site, self._job.by_number
        right = index < len(self._right) and bool(self._right[index])
        skipped = right and not self._links.broken(item)
        left_out = losses.lost_whole(item, site.losses)
        self._going.append(not (skipped or left_out))
        self._numbers["skipped"] += skipped
        for loss in losses.of(item, site.losses, self._owned):
            self._lost[loss] += 1
        if item.regular and item.first_name:
            self._numbers["bytes"] += item.size
        if not (skipped or left_out):
            self._count_going(index, item)
            if not (item.kind == "l" and "link_owners" in site.losses):
                for kind in incapable(item, self._ground, numeric=numeric):
                    self._incapable[kind] += 1
        elif skipped or exactly_named(item.path):
            self._patterns += f"- pf:{item.path}\n".encode()

    def _owned(self, item: Item) -> bool:
        return owned(item, self._ground, numeric=self._job.by_number)

    def _count_going(self, index: int, item: Item) -> None:
        numbers, kind = self._numbers, self._before.kind(index)
        if self._before:
            self._of_going.take(self._before, index)
        for name, known in self._names.items():
            if not known and lies_in(item.path, name):
                self._names[name] = True
        # "." is the target folder itself, which does not count.
        there = kind != ABSENT and item.place != "."
        if kind not in (ABSENT, FOLDER) and item.kind == "d":
            self._obstacles.append(item)
        needed = item.size - item.holes * self._holes if item.regular and item.first_name else 0
        freed = self._before.size(index) if there and item.regular else 0
        # The file that is there may have holes, too, so it may free less than its size.
        numbers["need_bytes"] += max(needed - freed, 0) if item.holes else needed - freed
        numbers["need_inodes"] += item.first_name - there
        # A folder stays, but gets the archive's attributes. For "never", that is an overwriting.
        kept = item.kind == "d" and kind == FOLDER
        if there and (not kept or self._job.overwrite == "never"):
            numbers["overwritten"] += 1
            if len(self._overwritten_paths) < SHOWN_PATHS:
                self._overwritten_paths.append(f"/{item.path}")

    def plan(self, archive: str, items: Items) -> Plan:
        return Plan(
            archive=archive,
            items=items,
            going=items if all(self._going) else items.only(self._going),
            before=self._of_going,
            named=tuple(name for name, known in self._names.items() if known),
            patterns=bytes(self._patterns),
            obstacles=self._obstacles,
            skipped=self._numbers["skipped"],
            overwritten=self._numbers["overwritten"],
            overwritten_paths=self._overwritten_paths,
            lost=dict(sorted(self._lost.items())),
            incapable=dict(sorted(self._incapable.items())),
            bytes=self._numbers["bytes"],
            need_bytes=self._numbers["need_bytes"],
            need_inodes=self._numbers["need_inodes"],
        )


def right(item: Item, found: Item | None) -> bool:
    """Has a regular file the archive's content? Its size and time are the archive's.

    borg sets a file's time after its content (borg 1.4.5, archive.py, restore_attrs), as we do. But
    it is set, too, if ACLs or xattrs could not be: see `lacking`. Hard links are right together or
    not at all (`Links`): borg can only link to a file that it extracts itself.
    """
    return item.regular and not differs(item, found) & UNFINISHED and exactly_named(item.path)


def exactly_named(path: str) -> bool:
    """Can a line of a pattern file name it? borg strips such lines, and reads them as text."""
    return path.isprintable() and path == path.strip()
