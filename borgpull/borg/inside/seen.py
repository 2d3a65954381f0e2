"""What a listing of a client says of its entries, packed: some 30 bytes each, for any number."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from typing import Any

from borgpull.borg.inside.wire import BadFrame

MOST = 50_000_000  # entries
# What is known of an entry. CAME: it is new, or need not be in the archive.
CAME, FAILED, RECENT, ARCHIVED, UNSURE = 1, 2, 4, 8, 16


def hashed(*values: Any) -> int:
    """In 64 bits. Python's hashes of texts have a secret key: a client cannot make two alike."""
    return hash(values)


class Hashes:
    """Hashes of a listing's entries. They are mostly looked for in the order of the listing."""

    def __init__(self) -> None:
        self.all = array("q")
        self._next = 0  # the place after the one that was found last
        self._sorted: tuple[array[int], array[int]] | None = None  # with their places

    def find(self, wanted: int) -> int:
        """The place of a hash, or -1. All are added."""
        at = self._next
        if at >= len(self.all) or self.all[at] != wanted:
            at = self.look(wanted)
            if at < 0:
                return at
        self._next = at + 1
        return at

    def look(self, wanted: int) -> int:
        """As `find`, for one that is out of order."""
        if self._sorted is None:
            every = self.all
            places = array("I", sorted(range(len(every)), key=every.__getitem__))
            self._sorted = array("q", (every[at] for at in places)), places
        hashes, places = self._sorted
        at = bisect_left(hashes, wanted)
        return places[at] if at < len(hashes) and hashes[at] == wanted else -1


class Seen:
    """First all are added, and then they can be found."""

    def __init__(self) -> None:
        self.numbers = array("I")
        self.flags = bytearray()
        self._names = Hashes()
        self._facts, self._ctimes = array("q"), array("q")

    def __len__(self) -> int:
        return len(self.numbers)

    def add(self, number: int, path: str, facts: int, ctime: int, flags: int) -> None:
        """`facts` is what must be the same in the archive, hashed. Raises BadFrame beyond MOST."""
        if len(self.numbers) >= MOST:
            raise BadFrame("a listing without end")
        self.numbers.append(number)
        self._names.all.append(hash(path))
        self._facts.append(facts)
        self._ctimes.append(ctime)
        self.flags.append(flags)

    def find(self, path: str) -> int:
        """The place of an entry among all, or -1. Mostly they are asked for in their order."""
        return self._names.find(hash(path))

    def look(self, path: str) -> int:
        """As `find`, for one that is out of order."""
        return self._names.look(hash(path))

    def at(self, place: int) -> tuple[int, int]:
        """Facts and ctime."""
        return self._facts[place], self._ctimes[place]
