"""An archive's items as a tree, for looking around in it."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, TypeVar

from borgpull.trees.item import Item

UNKNOWN_MODE = "d?????????"
# The children of a file. Most entries are files. An empty dictionary for each would be a sixth of
# its memory.
NOTHING: Mapping[str, Any] = MappingProxyType({})
T = TypeVar("T", str, int)


@dataclass(slots=True, kw_only=True, eq=False)
class Entry:
    """One name in an archive.

    Some folders are no items: only files in them were saved. Only the size of these is known.
    An Entry is no Item: it has only what is shown, and a name instead of a whole path.
    """

    name: str = ""
    parent: Entry | None = field(default=None, repr=False)
    mode: str = UNKNOWN_MODE  # as `ls -l` has it
    size: int = 0  # of a folder: of all files below it
    mtime: str | None = None
    user: str | int | None = None
    group: str | int | None = None
    uid: int | None = None
    gid: int | None = None
    children: Mapping[str, Entry] = field(default_factory=lambda: NOTHING, repr=False)

    @property
    def path(self) -> str:
        """The absolute path on the client. It is not stored: a deep tree would repeat its names."""
        names = []
        entry = self
        while entry.parent is not None:
            names.append(entry.name)
            entry = entry.parent
        return "/" + "/".join(reversed(names))

    @property
    def folder(self) -> bool:
        return self.mode[0] == "d" or bool(self.children)

    def sorted(self) -> list[Entry]:
        return [self.children[name] for name in sorted(self.children)]

    def add(self, item: dict[str, Any], depth: int | None = None) -> None:
        """Put an item (of an `item` event) below this root, with the folders above it.

        If it lies deeper than `depth`, only its size is added.
        """
        size = item["size"] if item["mode"][0] == "-" else 0
        entry = self
        names = parts(item["path"])
        for name in names[:depth]:
            entry.size += size
            entry = entry.children.get(name) or entry._child(name)
        if depth is not None and len(names) > depth:
            entry.size += size
            return
        # A million items have only a few different modes and owners.
        entry.mode, entry.mtime = _shared(item["mode"]), item["mtime"]
        entry.user, entry.group = _shared(item["user"]), _shared(item["group"])
        entry.uid, entry.gid = _shared(item["uid"]), _shared(item["gid"])
        entry.size += item["size"] if item["mode"][0] != "d" else 0

    def _child(self, name: str) -> Entry:
        if not isinstance(self.children, dict):
            self.children = {}
        self.children[name] = Entry(name=name, parent=self)
        return self.children[name]

    def at(self, path: str) -> Entry | None:
        """The entry with this path below this root."""
        entry: Entry | None = self
        for name in parts(path):
            entry = entry.children.get(name) if entry else None
        return entry

    def below(self) -> Iterator[Entry]:
        """All entries below this one, each folder before its content."""
        rest = self.sorted()[::-1]
        while rest:
            entry = rest.pop()
            yield entry
            rest += entry.sorted()[::-1]

    def row(self) -> dict[str, Any]:
        """The entry as in an `item` event; a folder's size is the sum of its files."""
        return row(self, self.path.lstrip("/"))


# The fields that are printed beside an entry's type, path, size and time.
_PRINTED = ("mode", "user", "group", "uid", "gid")


def row(entry: Item | Entry, path: str) -> dict[str, Any]:
    """An entry as in an `item` event, with the keys of `borg list --json-lines`."""
    known = {name: getattr(entry, name) for name in _PRINTED}
    about = {"path": path, "size": entry.size, "mtime": entry.mtime}
    return {"type": entry.mode[0], **known, **about}


def parts(path: str) -> list[str]:
    """The names in a path. The item saved as `/` is `.` in the archive."""
    return [name for name in path.split("/") if name not in ("", ".")]


@functools.lru_cache(maxsize=4096)
def _shared(value: T) -> T:
    """One object for all equal values."""
    return value
