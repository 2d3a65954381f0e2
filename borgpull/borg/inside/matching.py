"""The items of an archive, compared with the listing of the client that it was made of."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from typing import Any

from borgpull.borg.inside.listing import Listing
from borgpull.borg.inside.manifest import FURTHER, HAS_SUM, LEADS, LENGTH
from borgpull.borg.inside.manifest import UNSURE as NOT_SURE
from borgpull.borg.inside.seen import ARCHIVED, CAME, FAILED, RECENT, UNSURE

MAX_OUTSIDE = 10_000_000  # entries


class Matching:
    """Compares the items of an archive with a listing."""

    def __init__(self, listing: Listing, changed: list[str]) -> None:
        self._listing, self._changed = listing, set(changed)
        self._leaders: dict[str, int] = {}  # sizes of files that have further names
        self.outside: list[Any] = []
        self.differs = 0
        self.carried = 0  # sums of an earlier run

    def item(self, item: Any) -> None:
        """One of the archive."""
        seen, path = self._listing.seen, item.path
        place = seen.find(path)
        if place < 0:
            if len(self.outside) < MAX_OUTSIDE:
                self.outside.append(_outside(item))
            return
        seen.flags[place] |= ARCHIVED
        source = item.get("source", "")
        target = os.fsencode(source) if stat.S_ISLNK(item.mode) else b""
        size = self._size(item, path, source)
        found = self._listing.facts(
            item.mode, item.uid, item.gid, size, item.get("mtime", 0), target
        )
        facts, ctime = seen.at(place)
        same, own = facts == found, item.get("ctime")
        if self._listing.ctimes and own is not None:
            sure = own == ctime
            self.differs += sure and not same
        else:
            sure = same and not seen.flags[place] & RECENT
        linked = bool(source) and not target and not self._is_sure(source)
        if not sure or linked or seen.flags[place] & FAILED or self._is_changed(path):
            seen.flags[place] |= UNSURE

    def _is_sure(self, path: str) -> bool:
        """Of the first name of a file, which comes before the others."""
        place = self._listing.seen.look(path)
        return place >= 0 and not self._listing.seen.flags[place] & UNSURE

    def _size(self, item: Any, path: str, source: str) -> int:
        if not stat.S_ISREG(item.mode):
            return 0
        if source:
            return self._leaders.get(source, 0)
        size = int(item.get_size())
        if item.get("hardlink_master"):
            self._leaders[path] = size
        return size

    def _is_changed(self, path: str) -> bool:
        """Did borg say so? Its messages have question marks for bytes that are no text."""
        return bool(self._changed) and path.encode(errors="replace").decode() in self._changed

    def missing(self) -> list[int]:
        """The numbers of entries that the client had before the run, and the archive has not."""
        seen = self._listing.seen
        if not self._listing.ctimes:
            return []
        gone = (place for place, flags in enumerate(seen.flags) if not flags & (ARCHIVED | CAME))
        return [seen.numbers[place] for place in gone]

    def records(self, missing: set[int]) -> Iterator[tuple[int, int, bytes, bytes]]:
        """Of all in the archive, and of these missing ones: number, flags, sum, first name."""
        seen, sample, earlier = self._listing.seen, self._listing.sample, self._listing.earlier
        sums = sample.sums if sample is not None else {}
        further, doubted = self._groups(missing)
        for number, flags in zip(seen.numbers, seen.flags, strict=True):
            if not flags & ARCHIVED and number not in missing:
                continue
            more, record = b"", NOT_SURE if flags & UNSURE or number in doubted else 0
            first = further.get(number)
            if first is not None:
                record |= FURTHER if first else LEADS
                more = LENGTH.pack(len(first)) + first if first else b""
            found = b""
            if not record & (FURTHER | NOT_SURE):
                found = sums.get(number) or earlier.of(number)  # what was read now counts
                self.carried += bool(found) and number not in sums
            yield number, record | (HAS_SUM if found else 0), found, more

    def _groups(self, missing: set[int]) -> tuple[dict[int, bytes], set[int]]:
        """Of hard links: the first name by the number of each name, b"" for that one itself.

        And all names of the files of which one name is not sure: it may have been another file.
        """
        seen, groups = self._listing.seen, self._listing.groups.values()
        first: dict[int, bytes] = {}
        doubted: set[int] = set()
        linked = {number for group in groups for number, _ in group}
        every = zip(seen.numbers, seen.flags, strict=True) if linked else ()
        flags = {number: of for number, of in every if number in linked}
        for group in groups:
            names = [
                (number, path)
                for number, path in group
                if flags.get(number, 0) & ARCHIVED or number in missing
            ]
            for number, _ in names:
                first[number] = os.fsencode(names[0][1]) if number != names[0][0] else b""
            if any(flags[number] & UNSURE for number, _ in names):
                doubted.update(number for number, _ in names)
        return first, doubted


def _outside(item: Any) -> list[Any]:
    source = item.get("source", "") if stat.S_ISLNK(item.mode) else ""
    size = int(item.get_size()) if stat.S_ISREG(item.mode) else 0
    owner = [item.uid, item.gid, item.user or item.uid, item.group or item.gid]
    path, target = (os.fsencode(text).hex() for text in (item.path, source))
    return [path, item.mode, size, item.get("mtime", 0), *owner, target]
