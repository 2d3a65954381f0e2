"""The names of a client that should be in an archive, and the names that have been seen."""

from __future__ import annotations

import functools
import re
from array import array
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from borgpull.borg.inside import matcher
from borgpull.trees.folders import lies_in

# 12 bits of a hash choose the bucket: of 5 million names each has some 1,200.
_BUCKETS = 4096


class Known:
    """Names that have been seen, in 8 bytes each: a set of five million would take 600 MB."""

    def __init__(self) -> None:
        self._buckets = [array("Q") for _ in range(_BUCKETS)]
        self._sorted = [False] * _BUCKETS

    def __len__(self) -> int:
        return sum(map(len, self._buckets))

    def add(self, path: str) -> None:
        value = hash(path) % (1 << 64)  # SipHash with a secret key: a client cannot make two alike
        number = value >> 52
        self._buckets[number].append(value)
        self._sorted[number] = False

    def __contains__(self, path: str) -> bool:
        value = hash(path) % (1 << 64)
        number = value >> 52
        bucket = self._buckets[number]
        if not self._sorted[number]:
            bucket = self._buckets[number] = array("Q", sorted(bucket))
            self._sorted[number] = True
        place = bisect_left(bucket, value)
        return place < len(bucket) and bucket[place] == value


class Wanted:
    """Should a path be in the archive? Paths are relative to the client's root, as borg has them.

    `exclude` are borg's patterns, read by borg's own matcher. `mounts` are our regular expressions
    for all below a folder. No path in `without` (what may be unreadable) need be there.
    """

    def __init__(
        self,
        roots: Sequence[str],
        exclude: Sequence[str],
        mounts: Sequence[str],
        without: Sequence[str],
    ) -> None:
        self._roots = [root.strip("/") for root in roots]
        self._without = without
        self._mounts = [re.compile(text.removeprefix("re:")) for text in mounts]
        self._matches = matcher.not_excluded(exclude) if exclude else None
        self._folder = functools.lru_cache(1 << 16)(self._of_folder)

    def __call__(self, path: str) -> bool:
        if lies_in_any(path, self._without) or any(each.search(path) for each in self._mounts):
            return False
        if self._matches is None:
            return True
        return self._matches(path) and self._folder(path.rpartition("/")[0])

    def _of_folder(self, path: str) -> bool:
        """borg does not enter a folder that is excluded (archiver.py, _rec_walk)."""
        assert self._matches is not None
        if not path or not any(lies_in(path, root) for root in self._roots):
            return True
        return self._matches(path) and self._folder(path.rpartition("/")[0])


@dataclass(frozen=True)
class Plan:
    """What the comparison must know of the run."""

    roots: list[str]
    exclude: list[str]  # the user's patterns for borg
    left_out: list[str]  # mounts that are not saved
    disks: list[str]  # mounts below those, which are saved
    mounts: list[str]  # borg's patterns for both: regular expressions, with their style
    allowed: list[str]  # paths that may be unreadable
    started: float  # Unix time, our clock

    @cached_property
    def wanted(self) -> Wanted:
        return Wanted(self.roots, self.exclude, self.mounts, self.allowed)

    @property
    def starts(self) -> list[str]:
        """Where the client's own walk begins. It turns back at `left_out` and `allowed`."""
        asked = (path for path in self.disks if not lies_in_any(path, self.allowed))
        return [*self.roots, *asked]

    @property
    def passed(self) -> set[str]:
        """The starts at which the client's own walk does not turn back."""
        turns = [*self.left_out, *self.allowed]
        starts = (path for path in self.starts if not lies_in_any(path, turns))
        return {path.strip("/") or "." for path in starts}

    @cached_property
    def skipped(self) -> frozenset[str]:
        """Folders that are empty in the archive, but may be full on the client."""
        return frozenset(path.strip("/") for path in self.left_out)


class Tree:
    """Does the client's own walk go through the tree that is known?

    If so, it comes past all starts that are known, and meets something else that is known. If not,
    the client's shell is in another tree than its SFTP.
    """

    def __init__(self, plan: Plan, known: Known) -> None:
        self._known = known
        self._starts = {name for name in plan.passed if name in known}
        self._left = set(self._starts)
        self._met = not self._starts or len(known) <= len(self._starts)  # nothing else is known

    def knows(self, name: str) -> bool:
        """A name that the walk comes past."""
        self._left.discard(name)
        known = name in self._known
        self._met = self._met or (known and name not in self._starts)
        return known

    def walked(self) -> bool:
        return self._met and not self._left


def lies_in_any(path: str, folders: Sequence[str]) -> bool:
    """Does a path lie in any of the folders? Slashes at the ends do not count."""
    return any(lies_in(path.strip("/"), folder.strip("/")) for folder in folders)
