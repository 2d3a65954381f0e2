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
from borgpull.borg.inside.manifest import END, FORMAT, HAS_SUM, RECORD, SAVED, START
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


def written(rows: list[tuple[int, bytes, int, str]], *, cut: int = 0) -> io.BytesIO:
    """In a frame for every two rows, and the records after all of them."""
    frames = [
        (START, json.dumps({"format": FORMAT, "roots": [], "carried": [], "kept": []}).encode())
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


@pytest.mark.parametrize("rows", [ROWS, ALL])
def test_each_saved_entry(rows: list[tuple[int, bytes, int, str]]) -> None:
    found = list(manifest.records(written(rows)))
    wanted = [(path, depth, kind) for depth, _, kind, path in rows if path]
    assert [(one.path, one.depth, one.st.st_mode) for one in found] == wanted
    assert {one.sum for one in found if one.st.st_mode == stat.S_IFREG} == {SUM}
    assert {(one.extra, one.st.st_size, one.st.st_ino) for one in found} == {(b"xx", 5, 9)}


def test_what_is_cut_is_no_manifest() -> None:
    with pytest.raises(BadManifest):
        list(manifest.records(written(ROWS, cut=3)))


def test_a_listing_of_any_size_takes_little_memory() -> None:
    """The records of a witness come after the whole listing."""
    file = written([(0, b"srv", stat.S_IFDIR, "srv"), *[(1, b"f", stat.S_IFREG, "srv/f")] * 5000])
    tracemalloc.start()
    try:
        assert sum(1 for _ in manifest.records(file)) == 5001
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()
