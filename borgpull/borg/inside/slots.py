"""The entries of a listing that wait for their turn, and the first names of hard links.

A client says how many there are, and how long. So both have bounds, in bytes.
"""

from __future__ import annotations

import os
import stat
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cached_property
from itertools import chain
from typing import Any, NamedTuple, Protocol

from borgpull.borg.inside.extras import NO_EXTRA, Extra, extra
from borgpull.borg.inside.wire import BadFrame, Row, Stat

# The helper lists some 33,000 entries ahead at most, and 12 MiB of their paths and attributes.
MAX_QUEUE, MAX_QUEUED = 36_000, 32 << 20
# Of all first names, with what a name costs beside its text.
MAX_LINKED, COST = 2 << 30, 400

# States of an entry: known to the files cache; asked for; another name of a file; finished.
KNOWN, ASKED, LATER, READY = range(4)
LETTERS = {
    stat.S_IFDIR: "d",
    stat.S_IFLNK: "s",
    stat.S_IFIFO: "f",
    stat.S_IFBLK: "b",
    stat.S_IFCHR: "c",
}
# By kind: the letter that `ls -l` has.
TYPES = {kind: stat.filemode(kind)[0] for kind in (stat.S_IFREG, *LETTERS)}


class Slot:
    """An entry that waits for its turn."""

    __slots__ = (
        *("answer", "base", "extra", "hash", "ids", "item", "number", "path", "st", "state"),
        *("status", "brief", "other", "sum", "unsure", "weight"),
    )

    def __init__(self, number: int, path: str, st: Stat, more: Extra, state: int) -> None:
        self.number, self.path, self.st, self.extra, self.state = number, path, st, more, state
        self.item: Any = None  # of a finished one; None if it has failed
        self.ids: list[bytes] = []  # chunks of a known one
        self.base: list[bytes] = []  # chunks that the file may still have
        self.brief = False  # are its flags not known, as long as no answer has come?
        self.other = False  # is it another than was listed?
        self.unsure = False  # may it have changed unseen while it was read?
        self.sum: bytes | None = None  # of the content, as far as it is known
        self.hash = b""  # of its path, for the files cache
        # What is before the content in the only answer that needs no second look; or empty.
        self.answer = b""
        self.status = ""  # borg's letter
        self.weight = len(path)  # bytes of all that the client has said of it

    @property
    def inode(self) -> tuple[int, int]:
        return self.st.st_ino, self.st.st_dev


def of_row(number: int, path: str, row: Row, state: int) -> Slot:
    """The slot of an entry of the listing."""
    slot = Slot(number, path, row.st, extra(row.extra), state)
    slot.weight += len(row.extra)
    return slot


class Plain(NamedTuple):
    """A file that is unchanged, has one name, and no attributes."""

    number: int
    path: bytes  # as borg stores it
    fields: tuple[int, ...]  # as `wire.ENTRY_STAT` has them
    ids: list[bytes]  # of its chunks
    content: bytes  # the sum, if a manifest is made
    hash: bytes  # of its path, for the files cache

    def slot(self, state: int) -> Slot:
        st = Stat._make(self.fields[-len(Stat._fields) :])
        return Slot(self.number, os.fsdecode(self.path), st, NO_EXTRA, state)


class Batch(Protocol):
    """Unchanged files that follow each other: at least one. They wait for nothing of their own."""

    @property
    def number(self) -> int:
        """Of the first one's entry."""

    @property
    def weight(self) -> int:
        """Bytes that the client has said of them, about."""

    def __len__(self) -> int: ...

    def save(self) -> int:
        """Add their items, up to the first one that has lost a chunk: how many."""

    def path(self, at: int) -> str: ...

    def slot(self, at: int, state: int) -> Slot: ...

    def rest(self, at: int) -> Batch:
        """Those from there on."""

    def ids(self) -> Iterator[bytes]:
        """Of their chunks."""


class Run(list[Plain]):
    """Plain ones."""

    def __init__(self, save: Callable[[Run], int], files: Iterable[Plain] = ()) -> None:
        super().__init__(files)
        self._save = save

    @property
    def number(self) -> int:
        return self[0].number

    @cached_property
    def weight(self) -> int:
        return sum([len(one.path) for one in self])

    def save(self) -> int:
        return self._save(self)

    def path(self, at: int) -> str:
        return os.fsdecode(self[at].path)

    def slot(self, at: int, state: int) -> Slot:
        return self[at].slot(state)

    def rest(self, at: int) -> Run:
        return Run(self._save, self[at:])

    def ids(self) -> Iterator[bytes]:
        return chain.from_iterable(one.ids for one in self)


class Queue:
    """Slots, and batches of files, in the order of the listing."""

    def __init__(self) -> None:
        self._slots: deque[Slot | Batch] = deque()
        self._weight = self._count = 0  # of entries

    def __len__(self) -> int:
        return len(self._slots)

    def __iter__(self) -> Iterator[Slot | Batch]:
        return iter(self._slots)

    @property
    def head(self) -> Slot | Batch:
        return self._slots[0]

    def add(self, slot: Slot | Batch) -> None:
        """Raises BadFrame if too much waits."""
        self._slots.append(slot)
        self._weigh(slot.weight)
        self._count += _entries(slot)
        if self._count > MAX_QUEUE:
            raise BadFrame("a listing that does not wait for us")

    def extend(self, slots: Sequence[Slot]) -> None:
        """Raises BadFrame if too much waits."""
        self._slots.extend(slots)
        self._count += len(slots)
        self._weigh(sum([slot.weight for slot in slots]))
        if self._count > MAX_QUEUE:
            raise BadFrame("a listing that does not wait for us")

    def took(self, slot: Slot) -> bool:
        """Take it away if it is the head. Is it?"""
        if self._slots[0] is not slot:
            return False
        self._slots.popleft()
        self._weight -= slot.weight
        self._count -= 1
        return True

    def put_back(self, slot: Slot | Batch) -> None:
        """Make it the head."""
        self._slots.appendleft(slot)
        self._weight += slot.weight
        self._count += _entries(slot)

    def grow(self, slot: Slot, size: int) -> None:
        """The client has said more of a slot that waits. Raises BadFrame if too much waits."""
        slot.weight += size
        self._weigh(size)

    def pop(self) -> Slot | Batch:
        slot = self._slots.popleft()
        self._weight -= slot.weight
        self._count -= _entries(slot)
        return slot

    def _weigh(self, size: int) -> None:
        self._weight += size
        if self._weight > MAX_QUEUED:
            raise BadFrame("a listing whose names and attributes do not wait for us")


def _entries(slot: Slot | Batch) -> int:
    return 1 if isinstance(slot, Slot) else len(slot)


class _First(NamedTuple):
    path: str
    number: int  # of the entry
    size: int
    mtime_ns: int


class FirstNames:
    """Of hard links: the name that has the content, by inode and device.

    A deleted file's inode may be another file's at once. Names of one file have the same size and
    time; a name that has not is saved with its own content.
    """

    def __init__(self) -> None:
        self._first: dict[tuple[int, int], _First] = {}
        self._weight = 0

    def of(self, slot: Slot) -> str | None:
        """The path that a further name refers to. It is before that name in the archive."""
        first = self._first.get(slot.inode)
        if first is None or first.number >= slot.number:
            return None
        same = (first.size, first.mtime_ns) == (slot.st.st_size, slot.st.st_mtime_ns)
        return first.path if same else None

    def claim(self, slot: Slot) -> None:
        """Make this the first name, unless another one is. Raises BadFrame beyond the bound."""
        if slot.inode in self._first:
            return
        own = _First(slot.path, slot.number, slot.st.st_size, slot.st.st_mtime_ns)
        self._first[slot.inode] = own
        self._weight += len(own.path) + COST
        if self._weight > MAX_LINKED:
            raise BadFrame("hard links without end")

    def leads(self, slot: Slot) -> bool:
        first = self._first.get(slot.inode)
        return first is not None and first.number == slot.number

    def free(self, slot: Slot) -> None:
        """The slot has no content, after all. A further name may become the first."""
        if self.leads(slot):
            self._weight -= len(self._first.pop(slot.inode).path) + COST
