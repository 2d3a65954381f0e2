"""An archive's own listing, compared with its manifest: every entry, without any content."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Generic, TypeVar

from borgpull.drills.findings import Difference, Found
from borgpull.trees.item import SECOND, Item
from borgpull.trees.manifest import Entry

T = TypeVar("T")
# The greatest time that borg stores, in nanoseconds (borg 1.4.5, helpers/time.py, MAX_S).
LAST_TIME = ((1 << 31) - 1 - 48 * 3600) * 10**9


def compare(items: Iterable[Item], entries: Iterable[Entry], found: Found) -> int:
    """Add what differs to `found`; returns the number of entries.

    Both are mostly in one order. What has not met its like is kept until it does.
    """
    early = _Waiting[Item]()  # items before their entries
    late = _Waiting[Entry]()
    there, count = iter(items), 0
    for entry in entries:
        count += 1
        path = entry.item.path
        item = early.take(path)
        if item is None:
            item = next(there, None)
            if item is not None and item.path != path:
                _keep(item, early, late, found)
                item = None
        if item is None:
            late.put(path, entry)
        else:
            _pair(item, entry, found)
    for item in there:
        _keep(item, early, late, found)
    for path, entry in late.all():
        item = early.take(path)
        if item is not None:
            _pair(item, entry, found)
        else:
            found.differs(path, ("missing", entry.item.mode, "not in the archive"))
    for path, item in early.all():
        found.differs(path, ("extra", "nothing", item.mode))
    return count


class _Waiting(Generic[T]):
    """What has not met its like, by path. An archive may have a path twice: none is dropped."""

    def __init__(self) -> None:
        self._by_path: dict[str, list[T]] = {}

    def put(self, path: str, one: T) -> None:
        self._by_path.setdefault(path, []).append(one)

    def take(self, path: str) -> T | None:
        """The first of this path."""
        found = self._by_path.get(path)
        if found is None:
            return None
        one = found.pop(0)
        if not found:
            del self._by_path[path]
        return one

    def all(self) -> Iterator[tuple[str, T]]:
        for path, found in self._by_path.items():
            for one in found:
                yield path, one


def _keep(item: Item, early: _Waiting[Item], late: _Waiting[Entry], found: Found) -> None:
    """An item out of order."""
    entry = late.take(item.path)
    if entry is None:
        early.put(item.path, item)
    else:
        _pair(item, entry, found)


def _pair(item: Item, entry: Entry, found: Found) -> None:
    had = entry.item
    if item.mode == had.mode and item[2:8] == had[2:8] and item[8:13] == had[8:13]:
        return  # nearly all are the same
    for difference in differences(item, entry):
        found.differs(item.path, difference)


def differences(item: Item, entry: Entry) -> Iterator[Difference]:
    """What the archive has otherwise than the client had."""
    if entry.loose:
        return
    had = entry.item
    if item.kind != had.kind:
        yield "type", had.mode, item.mode
        return
    pairs: list[tuple[Any, Any, Any]] = [
        ("owner", (had.uid, had.gid), (item.uid, item.gid)),
        ("owner name", (had.user, had.group), (item.user, item.group)),
        ("target", had.target or "", item.target or ""),
        ("hard link", _first(had), _first(item)),
        ("xattr", had.xattrs, item.xattrs),
        ("acl", had.acls, item.acls),
        ("flags", had.flags, item.flags),
    ]
    if item.kind != "l":
        pairs.append(("mode", had.mode, item.mode))
    if entry.sure:
        pairs.append(("time", stored(had.mtime_ns), as_exact(entry, item.mtime_ns)))
        if item.regular:
            pairs.append(("size", had.size, item.size))
    for kind, expected, value in pairs:
        if expected != value and None not in (expected, value):
            yield kind, expected, value


def stored(mtime_ns: int) -> int:
    """A time as borg stores it."""
    return min(max(mtime_ns, 0), LAST_TIME)


def as_exact(entry: Entry, mtime_ns: int) -> int:
    """A time, as exact as that of the entry."""
    return mtime_ns if entry.ns else mtime_ns // SECOND * SECOND


def _first(item: Item) -> str:
    """The first name of a hard link's later name; "" for others."""
    return "" if item.links in (None, item.path) else item.links or ""
