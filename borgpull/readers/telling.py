"""The listing of a client's tree, as the engine takes it from a reader that runs here."""

from __future__ import annotations

import struct
import zlib
from collections import deque
from typing import Generic, TypeVar

from borgpull.client.scripts.stream_list import BATCH
from borgpull.client.scripts.stream_look import ENTRY, LIST, LISTED, NAME, TROUBLE, Output

# Entries, and bytes of their paths and attributes, that are listed before the other side is done
# with them. It has bounds of its own (`borg/inside/slots.py`).
AHEAD, AHEAD_BYTES = 16384, 8 << 20

File = TypeVar("File")  # how a reader finds one
Names = tuple[dict[int, bytes], dict[int, bytes]]  # of users and groups, by number


class Telling(Generic[File]):
    """Entries that are told, and the files among them that the other side may still ask for."""

    def __init__(self, out: Output, names: Names) -> None:
        self._out, self._names = out, names
        self._told: set[tuple[int, int]] = set()
        self._rows: list[bytes] = []
        self.files: dict[int, File] = {}  # by number
        self.listed = self.done = 0
        self._weights: deque[int] = deque()  # of the entries that are not done
        self._weight = 0  # of all of them

    @property
    def may_list(self) -> bool:
        return self.listed - self.done < AHEAD and self._weight < AHEAD_BYTES

    def entry(self, depth: int, path: bytes, name: bytes, about: bytes, more: bytes) -> int:
        """Tell one; returns its number. `about` is what stat(2) tells, packed."""
        self._weights.append(len(path) + len(more))
        self._weight += self._weights[-1]
        self._rows.append(ENTRY.pack(depth, len(name), len(more)) + about + name + more)
        self.listed += 1
        if len(self._rows) >= BATCH:
            self.flush()
        return self.listed - 1

    def trouble(self, op: int, number: int, depth: int, name: bytes) -> None:
        """Tell an entry that could not be listed; `number` is the errno."""
        self.flush()
        self._out.add(TROUBLE, struct.pack("<BiH", op, number, depth), name)

    def owner(self, uid: int, gid: int) -> None:
        """Tell the names of a user and a group, once."""
        for kind, number in ((0, uid), (1, gid)):
            if (kind, number) not in self._told:
                self._told.add((kind, number))
                name = self._names[kind].get(number, b"")
                self._out.add(NAME, struct.pack("<BI", kind, number), name)

    def flush(self) -> None:
        if self._rows:
            self._out.add(LIST, zlib.compress(b"".join(self._rows), 1))
            self._rows = []

    def end(self) -> None:
        """All is listed."""
        self.flush()
        self._out.add(LISTED, struct.pack("<Q", self.listed))

    def finished(self, number: int) -> None:
        """The other side is done with all entries below `number`."""
        for old in range(self.done, number):
            self.files.pop(old, None)
            self._weight -= self._weights.popleft()
        self.done = number
