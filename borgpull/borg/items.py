"""What is in an archive, name by name, as a restore needs to know it."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

from borgpull.borg.command import Borg
from borgpull.borg.spares import Sink, Spares
from borgpull.errors import NotInArchive

# `borg list` with the bytes of each name (`exact.py` says why).
EXACT = (sys.executable, "-P", "-m", "borgpull.borg.exact")


class Item(NamedTuple):
    """One item of an archive. Names may hold surrogates, which stand for bytes that are no text."""

    path: str  # in the archive
    place: str  # where it will be, below the target folder
    mode: str  # as `ls -l` has it
    size: int
    mtime_ns: int
    uid: int
    gid: int
    user: str | int  # the id where there was no name
    group: str | int
    target: str = ""  # what a symlink points at
    links: str = ""  # the first name of its hard links, if it has any
    xattrs: int = 0  # how many it has, file capabilities among them
    acls: bool = False
    flags: int = 0  # of chattr(1), as borg stores them
    chunks: int = 0  # into how many pieces borg has cut its content

    @property
    def kind(self) -> str:
        """The first letter of `ls -l`."""
        return self.mode[0]

    @property
    def regular(self) -> bool:
        return self.kind == "-"

    @property
    def first_name(self) -> bool:
        """Is it the one of its hard links that brings the content?"""
        return self.links in ("", self.path)


class Row(NamedTuple):
    """One item as `exact.py` lists it."""

    path: str
    mode: str
    size: int
    mtime_ns: int
    uid: int
    gid: int
    user: str | int
    group: str | int
    source: str
    xattrs: int
    acls: bool
    flags: int
    chunks: int


@contextlib.contextmanager
def reader(borg: Borg) -> Iterator[Borg]:
    """borg for `chosen`: it loads its code while its caller finds out what to ask."""
    with Spares(EXACT) as spares:
        exact = replace(borg, prefix=EXACT, spares=spares)
        exact.start_spares(1)
        yield exact


def chosen(exact: Borg, archive: str, paths: Sequence[str], strip: int) -> list[Item]:
    """The items at and below `paths` (absolute; none stands for all), in the archive's order.

    `exact` is of `reader`. `strip` leading parts of each path are left out, and items that have no
    more than those. Raises NotInArchive, borg's errors.
    """
    names = [path.strip("/") for path in paths if path.strip("/")]
    matched = dict.fromkeys(names, False)
    found = []
    for item in _items(exact, archive):
        if names:
            of = [name for name in names if item.path == name or item.path.startswith(name + "/")]
            matched.update(dict.fromkeys(of, True))
            if not of:
                continue
        if not strip:
            found.append(item)
        elif parts := item.path.split("/")[strip:]:
            found.append(item._replace(place="/".join(parts)))
    lost = [f"/{name}" for name, known in matched.items() if not known]
    if lost:
        raise NotInArchive(f"not in {archive}: {', '.join(lost)}")
    if not found:
        raise NotInArchive(f"nothing of {archive} is left to be restored")
    return found


def _items(exact: Borg, archive: str) -> Iterator[Item]:
    """All items. A later name of a hard link gets the size of the first one, which alone has it."""
    rows: list[Row] = []
    lines = _Lines(lambda line: rows.extend(map(Row._make, json.loads(line))))
    exact.run("list", "--bypass-lock", "--json-lines", f"::{archive}", sink=lines.add)
    first = {row.source for row in rows if _links(row)}
    sizes = {row.path: row.size for row in rows if row.path in first}
    for row in rows:
        links = row.source if _links(row) else row.path if row.path in first else ""
        yield _item(row, links, sizes.get(links, row.size))


class _Lines:
    """Whole lines, made of pieces."""

    def __init__(self, take: Sink) -> None:
        self._take, self._rest = take, b""

    def add(self, piece: bytes) -> None:
        *whole, self._rest = (self._rest + piece).split(b"\n")
        for line in whole:
            self._take(line)


def _links(row: Row) -> bool:
    """Is it a later name of a hard link?"""
    return bool(row.source) and not row.mode.startswith("l")


def _item(row: Row, links: str, size: int) -> Item:
    target = row.source if row.mode[0] == "l" else ""
    middle = (row.mtime_ns, row.uid, row.gid, row.user, row.group)
    end = (row.xattrs, row.acls, row.flags, row.chunks)
    return Item(row.path, row.path, row.mode, size, *middle, target, links, *end)
