"""What is in an archive, name by name, as a restore needs to know it."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from borgpull.borg.command import Borg, location
from borgpull.borg.spares import Sink, Spares
from borgpull.errors import NotInArchive
from borgpull.trees.folders import lies_in
from borgpull.trees.item import Item, Items

# `borg list` with the bytes of each name (`exact.py` says why).
EXACT = (sys.executable, "-P", "-m", "borgpull.borg.inside.exact")


@contextlib.contextmanager
def reader(borg: Borg) -> Iterator[Borg]:
    """borg for `chosen`: it loads its code while the caller still prepares the question."""
    with Spares(program=EXACT) as spares:
        exact = borg._replace(program=EXACT, spares=spares)
        exact.start_spares(1)
        yield exact


def chosen(exact: Borg, archive: str, paths: Sequence[str], strip: int) -> Items:
    """The items at and below `paths` (absolute; none stands for all), in the archive's order.

    `exact` comes from `reader`. The first `strip` parts of each path are left out; an item without
    further parts is dropped. Other items take no memory. Raises NotInArchive, borg's errors.
    """
    names = [path.strip("/") for path in paths if path.strip("/")]
    choice = _Choice(names, strip)
    lines = _Lines(lambda line: choice.add(json.loads(line)))
    exact.run("list", "--bypass-lock", "--json-lines", location(archive), sink=lines.add)
    lost = [f"/{name}" for name in names if name not in choice.matched]
    if lost:
        raise NotInArchive(f"not in {archive}: {', '.join(lost)}")
    if not choice.items:
        raise NotInArchive(f"nothing of {archive} is left to be restored")
    return choice.items


class _Choice:
    """Chooses from the rows of an archive, as they come."""

    def __init__(self, names: Sequence[str], strip: int) -> None:
        self.items = Items()
        self.matched: set[str] = set()
        self._names, self._strip = names, strip
        # By the hash of a first name: the facts that only this name has, and the first chosen name.
        self._first: dict[int, tuple[int, int, int]] = {}
        self._leaders: dict[int, str] = {}

    def add(self, rows: Iterable[list[Any]]) -> None:
        """Add rows of `inside/exact.py`: an Item's fields up to its holes, in their order. The last
        value says whether it may be the first name of hard links."""
        for row in rows:
            first, row[-1] = row[-1], row[0]  # an Item's next field is its place
            item = Item(*row)
            is_chosen = self._matches(item.path)
            if first:
                self._first[hash(item.path)] = (item.size, item.chunks, item.holes)
                if is_chosen:
                    self._leaders[hash(item.path)] = item.path
            if is_chosen and (parts := item.path.split("/", self._strip)[self._strip :]):
                self._choose(item, parts[0])

    def _matches(self, path: str) -> bool:
        of = [name for name in self._names if lies_in(path, name)]
        self.matched.update(of)
        return bool(of) or not self._names

    def _choose(self, item: Item, place: str) -> None:
        if self._strip:
            item = item._replace(place=place)
        if item.links:  # a later name of a hard link
            first = hash(item.links)
            # If the first name is not chosen, the first chosen name brings the content.
            leads = first in self._first
            links = self._leaders.setdefault(first, item.path) if leads else item.links
            size, chunks, holes = self._first.get(first, (item.size, item.chunks, item.holes))
            item = item._replace(links=links, size=size, chunks=chunks, holes=holes)
            self.items.linked.add(hash(links))
        self.items.add(item)


class _Lines:
    """Makes whole lines of pieces."""

    def __init__(self, take: Sink) -> None:
        self._take, self._rest = take, b""

    def add(self, piece: bytes) -> None:
        *whole, self._rest = (self._rest + piece).split(b"\n")
        for line in whole:
            self._take(line)
