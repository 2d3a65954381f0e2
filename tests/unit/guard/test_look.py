"""By the files that were read alone, the guard sees what it sees in all of them."""

from __future__ import annotations

import stat
from collections.abc import Mapping
from pathlib import PurePath

import pytest

from borgpull.borg.inside.manifest import HARD, PACKS
from borgpull.borg.inside.reads import Read, Reads
from borgpull.borg.inside.records import Record
from borgpull.borg.inside.wire import Stat
from borgpull.guard.look import Look, stem

KEY = bytes(32)
FOLDERS = ("r", "r/cache", "r/docs")


def _record(path: str, size: int = 0, sums: bytes | None = None, flags: int = 0) -> Record:
    mode = stat.S_IFDIR if path in FOLDERS else stat.S_IFREG
    st = Stat(mode | 0o644, 0, 0, 1, 1, 7, size, 10**18, 10**18, 0)
    return Record(path, path.count("/"), st, b"", flags, sums, "")


def _look(files: Mapping[str, tuple[int, bytes]]) -> Look:
    look = Look(KEY)
    records = []
    for folder in FOLDERS:
        records.append(_record(folder))
        inside = [path for path in files if path.rpartition("/")[0] == folder]
        records += [_record(path, *files[path]) for path in inside]
    look.take(records)
    return look


BEFORE = {"r/docs/a": (10, b"a" * 32), "r/docs/b": (20, b"b" * 32), "r/cache/c": (30, b"c" * 32)}


def _read(path: str, size: int, sums: bytes, flags: int = 0) -> Read:
    return Read(path, size, 10**18, sums.hex(), flags)


def test_the_sketch_is_that_of_all_files() -> None:
    after = {**BEFORE, "r/docs/a": (15, b"A" * 32), "r/cache/c": (31, b"C" * 32)}
    look = Look(KEY)
    reads = [_read(path, *after[path]) for path in ("r/docs/a", "r/cache/c")]
    found = look.again(_look(BEFORE).seen.sketch, reads, [])
    assert found is not None
    assert found.sketch.rows == _look(after).seen.sketch.rows
    assert (found.size, look.grown) == (5, 6)  # what is spare does not count


def test_what_was_read_tells_how_hard_it_is_to_compress() -> None:
    reads = [_read("r/docs/a", 10, b"a" * 32, HARD), _read("r/docs/b", 20, b"b" * 32, PACKS)]
    found = Look(KEY).again(_look(BEFORE).seen.sketch, reads, [])
    assert found is not None
    assert (len(found.hard), len(found.soft)) == (1, 1)


def test_a_new_path_is_not_known() -> None:
    before = _look(BEFORE).seen.sketch
    assert Look(KEY).again(before, [_read("r/docs/new", 10, b"a" * 32)], []) is None
    assert Look(KEY).again(before, [_read("r/docs", 10, b"a" * 32)], []) is None  # a folder was it


def test_reads_come_in_parts() -> None:
    reads, found = Reads(before="id"), Reads()
    reads.files = [_read("x" * 60_000 + str(number), number, b"s" * 32) for number in range(5)]
    parts = [*reads.parts()]
    assert len(parts) > 2
    for part in parts:
        found.add(part)
    assert found == reads


def test_reads_that_are_not_all_are_not_told() -> None:
    reads, found = Reads(before="id", came=1, files=[_read("a", 1, b"s" * 32)]), Reads()
    for part in reads.parts():
        found.add(part)
    assert found == Reads(before="id", came=1)
    assert not found.are_all(0)


@pytest.mark.parametrize(
    "path",
    ["a.b", "a", "a.b/c", "x/a.b.c", "x/.a", "x/.a.b", ".", ".a", "é.gz"],
)
def test_a_path_loses_its_last_suffix_as_pathlib_has_it(path: str) -> None:
    assert stem(path) == path[: -len(PurePath(path).suffix) or None]
