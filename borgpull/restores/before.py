"""What is at the target before a restore: seventeen bytes for each item."""

from __future__ import annotations

from array import array

from borgpull.trees.item import SECOND, Item

ABSENT, THERE, FOLDER = range(3)
MAX = 2**63 - 1  # a target may claim any size and time


class Before:
    """For each item, in the archive's order: what is in its place.

    It is no Item, because it is kept for all items at once.
    """

    def __init__(self) -> None:
        self._kinds = bytearray()
        self._sizes, self._times = array("q"), array("q")

    def __bool__(self) -> bool:
        return bool(self._kinds)

    def add(self, found: Item | None) -> None:
        self._kinds.append(ABSENT if found is None else FOLDER if found.folder else THERE)
        self._sizes.append(max(-MAX, min(found.size, MAX)) if found else 0)
        self._times.append(max(-MAX, min(found.mtime_ns // SECOND, MAX)) if found else 0)

    def take(self, other: Before, index: int) -> None:
        """Copy the entry of an item from another one."""
        self._kinds.append(other.kind(index))
        self._sizes.append(other.size(index))
        self._times.append(other._times[index] if index < len(other._times) else 0)

    def kind(self, index: int) -> int:
        """The kind; ABSENT for an item that was not looked at."""
        return self._kinds[index] if index < len(self._kinds) else ABSENT

    def size(self, index: int) -> int:
        return self._sizes[index] if index < len(self._sizes) else 0

    def same(self, index: int, found: Item) -> bool:
        """Is it as it was, by size and time? Two mounts by SFTP show different inode numbers."""
        there = self.kind(index) != ABSENT
        now = (found.size, found.mtime_ns // SECOND)
        return there and (self._sizes[index], self._times[index]) == now
