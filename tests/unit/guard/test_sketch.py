"""Two sketches are compared a few rows at a time, and all that differs is found."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from borgpull.guard import sketch
from borgpull.guard.sketch import BUCKETS, HASH, NO_STEM, ROW, Sketch

Rows = list[tuple[bytes, int, int, int]]


def made(rows: Rows) -> Sketch:
    found = Sketch()
    for row in rows:
        found.add(*row)
    return found


def cut(found: Sketch) -> set[bytes]:
    rows = b"".join(found.rows)
    return {rows[at : at + ROW] for at in range(0, len(rows), ROW)}


def some(chance: random.Random, count: int) -> Rows:
    # All in few buckets, so that many rows come behind one that came or is gone.
    return [
        (bytes([number % 3]) + chance.randbytes(HASH - 1), chance.getrandbits(64), number, 1)
        for number in range(count)
    ]


@pytest.mark.parametrize("seed", range(40))
def test_what_only_one_has(seed: int) -> None:
    chance = random.Random(seed)
    rows = some(chance, chance.choice((0, 1, 7, 8, 9, 100, 400)))
    before, kept = made(rows), list(rows)
    for _ in range(chance.choice((0, 1, 5, 60))):
        act = chance.randrange(4)
        at = chance.randrange(len(kept) + 1)
        if act == 0 and kept:
            path, _, size, flags = kept[at % len(kept)]
            kept[at % len(kept)] = path, chance.getrandbits(64), size, flags
        elif act == 1 and kept:
            del kept[at % len(kept)]
        elif act == 2:
            kept[at:at] = some(chance, 1)
        elif kept:  # it is listed elsewhere
            kept.insert(at, kept.pop(chance.randrange(len(kept))))
    now = made(kept)
    pairs = [*before.pairs(now)]
    assert len(pairs) == BUCKETS
    assert set().union(*(mine for mine, _ in pairs)) == cut(before) - cut(now)
    assert set().union(*(others for _, others in pairs)) == cut(now) - cut(before)


def test_a_row_is_found_where_it_is() -> None:
    path = bytes(range(1, 9))
    content = int.from_bytes(path, "little")  # a row before it has its hash in the middle
    found = made([(b"\1" * 8, content, 3, 1), (path, 8, 9, 2)])
    place = found.find(path)
    assert place is not None
    assert place.row == (path, 8, 9, 2)
    place.put(1 << 65, 1 << 60, 4)  # only what fits is kept
    other = found.find(path)
    assert other is not None
    assert other.row == (path, 0, (1 << 60) % (1 << 56), 4)
    assert found.find(bytes(8)) is None


def test_what_is_hard_to_compress_stays_so(tmp_path: Path) -> None:
    found = Sketch()
    found.learn(b"a" * HASH, NO_STEM)
    found.learn_all(b"b"[0] % BUCKETS, {b"b" * HASH: b"c" * HASH})
    found.write(tmp_path / "sketch")
    read = sketch.read(tmp_path / "sketch")
    assert read is not None
    assert dict(read.known_hard()) == {b"a" * HASH: NO_STEM, b"b" * HASH: b"c" * HASH}
    assert read.hard_of(b"a"[0] % BUCKETS) == {b"a" * HASH: NO_STEM}
    assert read.hard_paths == 2
