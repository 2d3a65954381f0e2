"""Which sum of a content a manifest has, and of which it has none."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from borgpull.borg.inside import wire
from borgpull.borg.inside.extras import NO_EXTRA
from borgpull.borg.inside.manifest import HAS_SUM, RECORD, SAVED, Manifest
from borgpull.borg.inside.slots import Slot
from borgpull.borg.inside.sums import EMPTY, Sums
from borgpull.borg.inside.wire import Stat

FILE = Stat(0o100644, 0, 0, 1, 1, 9, 5, 10**18, 10**18, 0)
ONE, TWO, SUM = b"1" * 32, b"2" * 32, b"s" * 32


@pytest.mark.parametrize("links", [1, 2])
@pytest.mark.parametrize(
    ("status", "ids", "read", "found"),
    [
        ("U", [ONE], None, SUM),
        ("U", [TWO], None, None),
        ("U", [ONE, TWO], None, None),
        ("U", [], None, EMPTY),
        ("A", [], SUM, SUM),
        ("A", [], None, None),  # its chunks are known, and their sum is not
        ("M", [], None, None),
        ("C", [], None, None),
        ("d", [], None, None),
    ],
)
def test_the_sum(
    tmp_path: Path,
    status: str,
    ids: list[bytes],
    read: bytes | None,
    found: bytes | None,
    links: int,
) -> None:
    sums = Sums(tmp_path / "sums")
    sums.note(ONE, SUM)
    sums.save(lambda _: True, 9)
    file = io.BytesIO()
    manifest = Manifest(file, b"key", Sums(tmp_path / "sums"))
    slot = Slot(7, "a", FILE._replace(st_nlink=links), NO_EXTRA, 0)
    slot.status, slot.ids, slot.sum, slot.item = status, ids, read, {}
    manifest.saved(slot)
    manifest._flush()
    text = file.getvalue()
    assert wire.HEAD.unpack_from(text) == (SAVED, len(text) - wire.HEAD.size)
    record = text[wire.HEAD.size :]
    flags = HAS_SUM if found else 0
    assert record == RECORD.pack(7, flags) + (found or b"")
