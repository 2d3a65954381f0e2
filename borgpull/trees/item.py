"""What is known of one entry of a file tree, from any source. A new field belongs here."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from itertools import compress
from typing import NamedTuple

from borgpull.trees.packed import Packed

SECOND = 10**9  # in the unit of `mtime_ns`


class Item(NamedTuple):
    """An entry as an archive has it, or as it is found at a target.

    A field is None if its source does not tell it. Texts may hold surrogates, which stand for
    bytes that are no text.
    """

    path: str  # relative to the root of its tree
    mode: str  # as `ls -l` has it
    size: int  # in bytes; also for a later name of a hard link in an archive
    mtime_ns: int  # whole seconds, if the source has no more
    uid: int
    gid: int
    user: str | int | None = None  # the number, if an archive has no name
    group: str | int | None = None
    target: str | None = None  # the path that a symlink points at; "" for others
    links: str | None = None  # in an archive: the first name of its hard links, "" if it has none
    # Their names in hexadecimal digits, with commas between; file capabilities are among them.
    xattrs: str | None = None
    acls: int | None = None  # 1: an access ACL, 2: a folder's default ACL, 3: both
    flags: int | None = None  # of chattr(1), as borg stores them
    chunks: int = 0  # number of pieces into which borg has cut its content
    holes: int = 0  # bytes that borg extracts as holes, if it may
    place: str = ""  # in an archive: the path below the target folder to restore to
    inode: str | None = None  # hard links share it within one look at a tree

    @property
    def kind(self) -> str:
        """The first letter of `ls -l`."""
        return self.mode[0]

    @property
    def regular(self) -> bool:
        return self.mode[0] == "-"

    @property
    def folder(self) -> bool:
        return self.mode[0] == "d"

    @property
    def first_name(self) -> bool:
        """Is it the name in the archive that brings the content of its hard links?"""
        return not self.links or self.links == self.path

    @property
    def mtime(self) -> str | None:
        """ISO 8601, in UTC; None if no calendar has the time: borg may store any number."""
        try:
            return datetime.fromtimestamp(self.mtime_ns / 1e9, UTC).isoformat()
        except (OverflowError, ValueError, OSError):
            return None


class Items(Packed[Item]):
    """Items of an archive, in its order."""

    def __init__(self) -> None:
        super().__init__(Item._make)
        self.linked: set[int] = set()  # hashes of the first names that have others

    def __iter__(self) -> Iterator[Item]:
        """All items. `links` of a first name is filled in here: its other names come after it."""
        if not self.linked:
            return super().__iter__()
        return map(self._known, super().__iter__())

    def _known(self, item: Item) -> Item:
        if item.links or hash(item.path) not in self.linked:
            return item
        return item._replace(links=item.path)

    def only(self, wanted: Iterable[int]) -> Items:
        """The items whose number in `wanted` is not 0; `wanted` has one number for each item."""
        chosen = Items()
        chosen.linked = self.linked
        for item in compress(self, wanted):
            chosen.add(item)
        return chosen
