"""An archive's items as a tree, for who looks around in it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

UNKNOWN_MODE = "d?????????"


@dataclass(slots=True, kw_only=True, eq=False)
class Entry:
    """One name in an archive. Below / there may be folders that are no items: only what is in them
    was saved, and of them nothing is known but their size.
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
    children: dict[str, Entry] = field(default_factory=dict, repr=False)

    @property
    def path(self) -> str:
        """As on the client, absolute. Not kept: a deep tree would hold each of its names often."""
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

    def add(self, row: dict[str, Any]) -> None:
        """Put an item (as `row` makes them) below this root, with the folders above it."""
        size = row["size"] if row["mode"][0] == "-" else 0
        entry = self
        for name in parts(row["path"]):
            entry.size += size
            entry = entry.children.get(name) or entry._child(name)
        # Of a million items only a few modes and owners differ.
        entry.mode, entry.mtime = sys.intern(row["mode"]), row["mtime"]
        entry.user, entry.group = _shared(row["user"]), _shared(row["group"])
        entry.uid, entry.gid = row["uid"], row["gid"]
        entry.size += row["size"] if row["mode"][0] != "d" else 0

    def _child(self, name: str) -> Entry:
        self.children[name] = Entry(name=name, parent=self)
        return self.children[name]

    def at(self, path: str) -> Entry | None:
        """What has this path below this root."""
        entry: Entry | None = self
        for name in parts(path):
            entry = entry.children.get(name) if entry else None
        return entry

    def below(self) -> Iterator[Entry]:
        """All below this one, each folder before what is in it."""
        rest = self.sorted()[::-1]
        while rest:
            entry = rest.pop()
            yield entry
            rest += entry.sorted()[::-1]

    def row(self) -> dict[str, Any]:
        """As an `item` event has it: as `borg list --json-lines`, but a folder's size is summed."""
        return {
            "type": self.mode[0],
            "mode": self.mode,
            "user": self.user,
            "group": self.group,
            "uid": self.uid,
            "gid": self.gid,
            "path": self.path.lstrip("/"),
            "size": self.size,
            "mtime": self.mtime,
        }


def parts(path: str) -> list[str]:
    """The names on the way to a path. What is saved as `/` is `.` in the archive."""
    return [name for name in path.split("/") if name not in ("", ".")]


def _shared(name: str | int) -> str | int:
    return sys.intern(name) if isinstance(name, str) else name
