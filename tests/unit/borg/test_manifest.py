"""A manifest is read as it was written: paths, depths, and only what was saved."""

from __future__ import annotations

import io
import json
import stat
import tracemalloc
import zlib

import pytest

from borgpull.borg import manifest
from borgpull.borg.inside import wire
from borgpull.borg.inside.manifest import (
    END,
    FORMAT,
    HARD,
    HAS_SUM,
    LENGTH,
    MANY,
    RECORD,
    SAVED,
    START,
)
from borgpull.borg.manifest import BadManifest

SUM = b"s" * 32
# Depth, name, kind; the saved ones have a path.
ROWS = [
    (0, b"etc", stat.S_IFDIR, "etc"),
    (1, b"a", stat.S_IFDIR, "etc/a"),
    (2, b"b\xff", stat.S_IFREG, "etc/a/b\udcff"),
    (1, b"socket", stat.S_IFSOCK, ""),
    (1, b"c", stat.S_IFREG, "etc/c"),
    (0, b"srv/x", stat.S_IFDIR, "srv/x"),
    (1, b"d", stat.S_IFLNK, "srv/x/d"),
]
ALL = [
    (0, b".", stat.S_IFDIR, "."),
    (1, b"etc", stat.S_IFDIR, "etc"),
    (2, b"f", stat.S_IFREG, "etc/f"),
]


def written(
    rows: list[tuple[int, bytes, int, str]], *, cut: int = 0, version: int = FORMAT
) -> io.BytesIO:
    """In a frame for every two rows, and the records after all of them."""
    frames = [
        (START, json.dumps({"format": version, "roots": [], "carried": [], "kept": []}).encode())
    ]
    texts = [
        wire.ENTRY_STAT.pack(depth, len(name), 2, kind, 0, 0, 1, 1, 9, 5, 10, 20, 0) + name + b"xx"
        for depth, name, kind, _ in rows
    ]
    for at in range(0, len(texts), 2):
        packed = zlib.compress(b"".join(texts[at : at + 2]))
        frames.append((wire.LIST, packed[: len(packed) - cut]))
    records = b""
    for number, row in enumerate(rows):
        if row[3]:
            found = SUM if row[2] == stat.S_IFREG else b""
            records += RECORD.pack(number, HAS_SUM if found else 0) + found
    frames += [(SAVED, records), (END, b"{}")]
    return io.BytesIO(b"".join(wire.HEAD.pack(kind, len(text)) + text for kind, text in frames))


@pytest.mark.parametrize("version", [2, FORMAT])
@pytest.mark.parametrize("rows", [ROWS, ALL])
def test_each_saved_entry(rows: list[tuple[int, bytes, int, str]], version: int) -> None:
    found = list(manifest.records(written(rows, version=version)))
    wanted = [(path, depth, kind) for depth, _, kind, path in rows if path]
    assert [(one.path, one.depth, one.st.st_mode) for one in found] == wanted
    assert {one.sum for one in found if one.st.st_mode == stat.S_IFREG} == {SUM}
    assert {(one.extra, one.st.st_size, one.st.st_ino) for one in found} == {(b"xx", 5, 9)}


def test_what_is_cut_is_no_manifest() -> None:
    with pytest.raises(BadManifest):
        list(manifest.records(written(ROWS, cut=3)))


def several(records: bytes) -> io.BytesIO:
    """A folder with five files, and these records."""
    rows = [(0, b"srv", stat.S_IFDIR, ""), *[(1, b"%d" % n, stat.S_IFREG, "") for n in range(5)]]
    text = written(rows).getvalue()
    begin = text.index(wire.HEAD.pack(SAVED, 0))
    parts = ((SAVED, records), (END, b"{}"))
    more = [wire.HEAD.pack(kind, len(part)) + part for kind, part in parts]
    return io.BytesIO(text[:begin] + b"".join(more))


def many(number: int, flags: list[int]) -> bytes:
    sums = b"".join(bytes([number + at]) * 32 for at in range(len(flags)))
    return RECORD.pack(number, MANY) + LENGTH.pack(len(flags)) + bytes(flags) + sums


def test_entries_that_follow_each_other_have_one_record() -> None:
    one, two = HAS_SUM, HAS_SUM | HARD
    records = RECORD.pack(0, 0) + many(1, [one, two]) + RECORD.pack(3, one) + SUM + many(5, [one])
    found = list(manifest.records(several(records)))
    assert [(one.path, one.flags, one.sum) for one in found] == [
        ("srv", 0, None),
        ("srv/0", HAS_SUM, b"\1" * 32),
        ("srv/1", HAS_SUM | HARD, b"\2" * 32),
        ("srv/2", HAS_SUM, SUM),
        ("srv/4", HAS_SUM, b"\5" * 32),
    ]


@pytest.mark.parametrize(
    "records",
    [
        many(1, [HAS_SUM] * 3)[:-1],
        many(1, [HAS_SUM] * 9),
        many(2, [HAS_SUM] * 2) + many(3, [HAS_SUM]),
        many(1, [HAS_SUM])[:7],
    ],
)
def test_records_that_are_cut_or_out_of_turn_are_no_manifest(records: bytes) -> None:
    with pytest.raises(BadManifest):
        list(manifest.records(several(records)))


def test_a_listing_of_any_size_takes_little_memory() -> None:
    """The records of a witness come after the whole listing."""
    file = written([(0, b"srv", stat.S_IFDIR, "srv"), *[(1, b"f", stat.S_IFREG, "srv/f")] * 5000])
    tracemalloc.start()
    try:
        assert sum(1 for _ in manifest.records(file)) == 5001
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()
