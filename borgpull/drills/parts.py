"""Which files a drill restores, if it takes a part of them: `1/14` is a fourteenth.

The parts are equal in files and in bytes, and each file is in one of them. So as many drills as
there are parts prove each file once. A key decides, which clients do not have: a client cannot know
when a file is going to be looked at.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from borgpull.trees.item import Item

# A file that is larger than this share of a part is put in the part that is the emptiest.
_LARGE = 0.02
# So few files, a part, may leave a part empty if a hash alone decides: they are all put so.
_FEW = 16


class Parts:
    """The parts of an archive's files. Names of one file are in the same part."""

    def __init__(self, items: Iterable[Item], number: int, key: bytes) -> None:
        """`items` are gone through three times. `number` is lowered to the number of files."""
        self._key = key
        files, total = 0, 0
        for item in items:
            if _counts(item):
                files, total = files + 1, total + item.size
        self.number = max(1, min(number, files))
        large = max(1, int(total / self.number * _LARGE))
        self._loads = [0] * self.number
        big: list[tuple[int, bytes, str]] = []
        for item in items:
            if not _counts(item):
                continue
            if files <= _FEW * self.number or item.size > large:
                big.append((-item.size, self._hash(item.path), item.path))
            else:
                self._loads[self._by_hash(item.path)] += item.size + 1
        self._large: dict[str, int] = {}
        for size, _, path in sorted(big):
            part = self._loads.index(min(self._loads))
            self._large[path] = part
            self._loads[part] += 1 - size

    def of(self, item: Item) -> int:
        """The part of a regular file, from 0."""
        path = item.links or item.path
        part = self._large.get(path)
        return self._by_hash(path) if part is None else part

    def _hash(self, path: str) -> bytes:
        data = path.encode(errors="surrogateescape")
        return hashlib.blake2b(data, digest_size=8, key=self._key).digest()

    def _by_hash(self, path: str) -> int:
        return int.from_bytes(self._hash(path)) % self.number


def _counts(item: Item) -> bool:
    return item.regular and item.first_name
