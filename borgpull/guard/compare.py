"""Two archives of a client: what the later one lacks, and what it has in another form."""

from __future__ import annotations

from collections.abc import Container, Iterator
from dataclasses import dataclass, field
from itertools import chain
from typing import NamedTuple

from borgpull.guard.look import Seen
from borgpull.guard.sketch import FOLDER, MOUNT, NO_STEM, SPARE, SUMMED, Row, Sketch, unpacked


class Emptied(NamedTuple):
    """A folder without a file in it, which had some."""

    path: str
    files: int  # that it had
    mount: bool  # it was the place of a mount, and is none any more
    near: bool  # near the root, or named


@dataclass
class Change:
    """What has become of the files of an earlier archive. Spare files do not count."""

    gone: int = 0
    gone_bytes: int = 0
    moved: int = 0
    rewritten: int = 0
    rewritten_hard: int = 0
    turned: int = 0
    turned_bytes: int = 0
    emptied: list[Emptied] = field(default_factory=list)


class _Lost(NamedTuple):
    """A file whose content is not at its path any more."""

    row: Row
    hard: bool  # it was hard to compress
    now: Row | None  # the file at its path


def compare(before: Sketch, now: Seen) -> Change:
    """What has changed. `now` learns which of its unchanged files are hard to compress."""
    made = Change()
    lost: list[_Lost] = []
    came: dict[bytes, Row] = {}
    read = now.read_by_bucket()
    for number, (ours, theirs) in enumerate(before.pairs(now.sketch)):
        old = {row.path: row for row in map(unpacked, ours)}
        new = {row.path: row for row in map(unpacked, theirs)}
        hard = before.hard_of(number)
        made.emptied += _emptied(old, new, now)
        lost += _lost(old, new, hard, sums=now.sums)
        came.update((path, row) for path, row in new.items() if not row.flags & FOLDER)
        for path in chain(read[number], old.keys() - new.keys()):
            hard.pop(path, None)
        now.sketch.learn_all(number, hard)
    _count(made, lost, came, now)
    learn(now)
    return made


def learn(now: Seen) -> None:
    """Note in its sketch what was read, and is hard to compress."""
    for path, stem in now.hard.items():
        now.sketch.learn(path, stem)


def _emptied(old: dict[bytes, Row], new: dict[bytes, Row], now: Seen) -> Iterator[Emptied]:
    for path, row in old.items():
        found = now.empty.get(path)
        if found is None or not row.flags & FOLDER or not row.content or row.flags & SPARE:
            continue
        mount = bool(row.flags & MOUNT) and path in new and not new[path].flags & MOUNT
        yield Emptied(found[0], row.content, mount, found[1])


def _lost(
    old: dict[bytes, Row], new: dict[bytes, Row], hard: Container[bytes], *, sums: bool
) -> Iterator[_Lost]:
    for path, row in old.items():
        if row.flags & (FOLDER | SPARE):
            continue
        at = new.get(path)
        if at is not None and at.flags & FOLDER:
            at = None
        if at is None or not _may_be_same(row, at, sums=sums):
            yield _Lost(row, path in hard, at)


def _may_be_same(row: Row, now: Row, *, sums: bool) -> bool:
    """Its sum may have become known, while its content stayed: then its size says what it is.

    The same goes for a known one if nothing has `sums` now.
    """
    had, has = bool(row.flags & SUMMED), bool(now.flags & SUMMED)
    same = row.content == now.content if had == has else has or not sums
    return row.size == now.size and same


def _count(made: Change, lost: list[_Lost], came: dict[bytes, Row], now: Seen) -> None:
    contents = {row.content for row in came.values() if not row.flags & SPARE}
    gone: set[bytes] = set()
    soft = 0
    for one in lost:
        row, at = one.row, one.now
        moved = row.content in contents
        if at is not None:
            made.rewritten += not moved
            stem = now.hard.get(at.path)
            made.rewritten_hard += not moved and stem is not None
            if stem not in (None, NO_STEM) and not one.hard and not moved:
                made.turned += 1
                made.turned_bytes += row.size
            came.pop(at.path, None)
        elif moved:
            made.moved += 1
        else:
            made.gone += 1
            made.gone_bytes += row.size
            gone.add(row.path)
            soft += not one.hard
    _renamed(made, gone, soft, came, now)


def _renamed(made: Change, gone: set[bytes], soft: int, came: dict[bytes, Row], now: Seen) -> None:
    """Files that are gone, while others came that are hard to compress: by an added suffix, or in
    the same number."""
    new = {path: stem for path, stem in now.hard.items() if path in came and stem != NO_STEM}
    suffixed = sum(stem in gone for stem in new.values())
    count = max(min(soft, len(new)), suffixed)
    made.turned += count
    if count:
        size = sum(came[path].size for path in new)
        made.turned_bytes += size * count // len(new)
