"""Which sum of a content a manifest has, and of which it has none."""

from __future__ import annotations

import io
import resource
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from borgpull.borg.inside import wire
from borgpull.borg.inside.book import book
from borgpull.borg.inside.extras import NO_EXTRA, Extra
from borgpull.borg.inside.manifest import (
    FURTHER,
    HARD,
    HAS_SUM,
    LEADS,
    LENGTH,
    MANY,
    OTHER,
    PACKS,
    RECORD,
    SAVED,
    UNSURE,
    Manifest,
)
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
        ("C", [], SUM, SUM),
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
    flags = (HAS_SUM if found else 0) | (UNSURE if status == "C" else 0)
    assert record == RECORD.pack(7, flags) + (found or b"")


def flags_of(*slots: Slot) -> list[int]:
    """Of the records that a manifest has of them."""
    file = io.BytesIO()
    manifest = Manifest(file, b"key", Sums(Path("/nowhere")))
    for slot in slots:
        manifest.saved(slot)
    manifest._flush()
    content, at, found = file.getvalue()[wire.HEAD.size :], 0, []
    while at < len(content):
        _, flags = RECORD.unpack_from(content, at)
        found.append(flags)
        at += RECORD.size
        if flags & HAS_SUM:
            at += 32
        for flag in (FURTHER, OTHER):
            if flags & flag:
                at += LENGTH.size + LENGTH.unpack_from(content, at)[0]
    return found


def slot_of(status: str, item: dict[str, Any], more: Extra = NO_EXTRA) -> Slot:
    slot = Slot(7, "a", FILE, more, 0)
    slot.status, slot.sum, slot.item = status, SUM, item
    return slot


def test_what_may_have_changed_unseen_is_not_sure() -> None:
    """Also an unchanged file whose attributes could not be read."""
    plain, unseen = slot_of("A", {}), slot_of("A", {})
    unseen.unsure = True
    failed = slot_of("U", {}, Extra({}, ((b"user.a", 5),)))
    assert flags_of(plain, unseen, failed) == [HAS_SUM, HAS_SUM | UNSURE, HAS_SUM | UNSURE]


@pytest.mark.parametrize("status", "AM")
def test_only_a_usual_file_has_a_short_record(status: str) -> None:
    failed = slot_of(status, {}, Extra({}, ((b"user.a", 5),)))
    leads = slot_of(status, {"hardlink_master": True, "path": b"a"})
    usual, other, bare = (slot_of(status, {"hardlink_master": False}) for _ in range(3))
    other.other, bare.sum = True, None
    assert flags_of(usual, failed, leads, other, bare) == [
        *(HAS_SUM, HAS_SUM | UNSURE, HAS_SUM | LEADS, HAS_SUM | OTHER, 0),
    ]


def test_unchanged_files_get_their_records_at_once() -> None:
    file = io.BytesIO()
    manifest = Manifest(file, b"key", Sums(Path("/nowhere")))
    manifest.many(3, bytes((HAS_SUM,)) * 2, SUM * 2)
    manifest._flush()
    text = file.getvalue()
    assert text[wire.HEAD.size :] == many(3, [HAS_SUM, HAS_SUM], [SUM, SUM])
    assert (manifest._entries, manifest._bare, manifest._unsure) == (2, 0, 0)


def many(number: int, flags: list[int], sums: list[bytes]) -> bytes:
    """A record of some entries that follow each other."""
    head = RECORD.pack(number, MANY) + LENGTH.pack(len(flags))
    return head + bytes(flags) + b"".join(sums)


@pytest.mark.parametrize(
    ("numbers", "parts"),
    [
        ([], []),
        ([4], [(4, 1)]),
        ([4, 5, 6], [(4, 3)]),
        ([4, 6, 7], [(4, 1), (6, 2)]),
        ([4, 5, 9], [(4, 2), (9, 1)]),
        ([1, 3, 5], [(1, 1), (3, 1), (5, 1)]),
    ],
)
def test_new_files_that_follow_each_other_have_one_record(
    numbers: list[int], parts: list[tuple[int, int]]
) -> None:
    file = io.BytesIO()
    manifest = Manifest(file, b"key", Sums(Path("/nowhere")))
    sums = [bytes([number]) * 32 for number in numbers]
    manifest.fresh(numbers, [number % 2 * HARD for number in numbers], sums)
    wanted, at = b"", 0
    for number, count in parts:
        flags = [HAS_SUM | one % 2 * HARD for one in numbers[at : at + count]]
        wanted += many(number, flags, sums[at : at + count])
        at += count
    assert bytes(manifest._records) == wanted
    assert manifest._entries == len(numbers)


@pytest.mark.parametrize(
    ("status", "other", "unsure"),
    [
        ("C", False, [UNSURE, UNSURE, 0]),
        ("A", True, [0, UNSURE, 0]),
        ("A", False, [0, 0, 0]),
    ],
)
def test_a_further_name_is_as_sure_as_its_first(
    status: str, other: bool, unsure: list[int]
) -> None:
    """It is as it was listed: the file may have been another one when it was read."""
    first = slot_of(status, {"hardlink_master": True, "path": b"a"})
    first.other = other
    further = slot_of("h", {"path": b"b", "source": b"a"})
    stranger = slot_of("h", {"path": b"c", "source": b"d"})
    assert [flags & UNSURE for flags in flags_of(first, further, stranger)] == unsure


def test_a_full_disk_is_no_error_once_the_archive_has_its_name(tmp_path: Path) -> None:
    """Who ordered the manifest looks for it. The archive is there, so the run must not fail."""
    order = {
        "folder": str(tmp_path),
        "key": "00" * 32,
        "number": 1,
        "before": "",
        "carried": [],
        "kept": [],
    }
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        with book(order, ["r"], Sums(tmp_path / "none")) as made:
            assert made is not None
            resource.setrlimit(resource.RLIMIT_FSIZE, (4, hard))
            made.keep(SimpleNamespace(name="x", id=bytes(32)))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("status", "sizes", "flag"),
    [
        ("A", [(5000, 5040)], HARD),
        ("M", [(9000, 8000), (9000, 8900)], HARD),
        ("A", [(5000, 900)], PACKS),
        ("C", [(600, 600), (600, 10)], PACKS),
        ("A", [(1000, 1040)], 0),  # too small to tell
        ("A", [], 0),
        ("U", [(5000, 5040)], 0),  # it was not read
    ],
)
def test_what_is_hard_to_compress(
    tmp_path: Path, status: str, sizes: list[tuple[int, int]], flag: int
) -> None:
    manifest = Manifest(io.BytesIO(), b"key", Sums(tmp_path / "sums"))
    slot = Slot(7, "a", FILE, NO_EXTRA, 0)
    slot.status, slot.ids = status, [ONE]
    slot.item = {"chunks": [SimpleNamespace(size=size, csize=csize) for size, csize in sizes]}
    manifest.saved(slot)
    assert RECORD.unpack_from(manifest._records)[1] & (HARD | PACKS) == flag
