"""The file of the last listing: what it keeps, when it is written, and what is no good."""

from __future__ import annotations

import os
import struct
import zlib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from borgpull.borg.inside import newblocks
from borgpull.borg.inside.blocks import Blocks, Damaged
from borgpull.borg.inside.newblocks import Writer

ABOUT: dict[str, Any] = {"roots": ["r"], "names": [[[0, "root"]], []]}
NOWHERE = Path("/nowhere")


def entry(name: bytes, more: bytes = b"") -> bytes:
    return struct.pack("<HHI", 1, len(name), len(more)) + bytes(64) + name + more


def hash_of(number: int) -> bytes:
    return b"%032d" % number


def run(path: Path, frames: list[list[int]], item: bytes = b"item", **about: Any) -> bool:
    """A run over files with these numbers; an odd one is no plain file."""
    writer, first = Writer(path, Blocks(path)), 0
    for numbers in frames:
        text = b"".join(entry(b"%d" % number) for number in numbers)
        writer.frame(first, zlib.compress(text), text)
        for at, number in enumerate(numbers):
            if number % 2 == 0:
                own = item * (number + 1)
                writer.one(first + at, hash_of(number), hash_of(-number), number, own)
        first += len(numbers)
    return writer.save({**ABOUT, **about})


def test_it_has_what_was_written(tmp_path: Path) -> None:
    path = tmp_path / "listing"
    assert run(path, [[0, 2, 3, 4], [5], [6]])
    found = Blocks(path)
    assert found.about == ABOUT
    assert len(found) == 3
    block = found.block(0)
    assert len(block) == 4
    assert block.text == b"".join(entry(b"%d" % number) for number in (0, 2, 3, 4))
    assert [*block.lengths] == [4, 12, 0, 20]
    assert [*block.stored] == [0, 2, 0, 4]
    assert block.items[block.places[3] : block.places[4]] == b"item" * 5
    assert block.hashes[32:64] == hash_of(2)
    assert block.sums[32:64] == hash_of(-2)
    assert (block.plain(0, 4), block.plain(0, 2), block.plain(3, 4)) == (2, 2, 4)
    assert [block.at(offset) for offset in (0, 72, 73, 74, 146)] == [0, -1, 1, -1, 2]
    assert found.starts == {hash_of(0): (0, 0), hash_of(6): (2, 0)}


lists = st.lists(st.lists(st.integers(0, 30), max_size=6), max_size=5)


@given(lists, lists)
def test_a_run_leaves_what_it_had_whatever_was_there(
    tmp_path_factory: pytest.TempPathFactory, first: list[list[int]], second: list[list[int]]
) -> None:
    folder = tmp_path_factory.mktemp("blocks")
    assert run(folder / "one", first)
    assert run(folder / "one", second)
    assert run(folder / "other", second)
    assert (folder / "one").read_bytes() == (folder / "other").read_bytes()


@given(lists, st.integers(1, 5))
def test_files_that_are_noted_together_are_there_as_one_by_one(
    tmp_path_factory: pytest.TempPathFactory, frames: list[list[int]], count: int
) -> None:
    """Some are of several frames, and some are noted with a gap between them."""
    folder = tmp_path_factory.mktemp("blocks")
    assert run(folder / "one", frames)
    writer, first = Writer(folder / "two", Blocks(NOWHERE)), 0
    files = []
    for numbers in frames:
        text = b"".join(entry(b"%d" % number) for number in numbers)
        writer.frame(first, zlib.compress(text), text)
        for at, number in enumerate(numbers, first):
            if number % 2 == 0:
                named = hash_of(number), hash_of(-number)
                files.append((at, *named, number, b"item" * (number + 1)))
        first += len(numbers)
    for begin in range(0, len(files), count):
        writer.several(files[begin : begin + count])
    assert writer.save(ABOUT)
    assert (folder / "one").read_bytes() == (folder / "two").read_bytes()


def test_a_long_item_is_left_out_of_many(tmp_path: Path) -> None:
    for name, count in (("one", 1), ("two", 3)):
        writer = Writer(tmp_path / name, Blocks(NOWHERE))
        text = b"".join(entry(b"%d" % number) for number in range(3))
        writer.frame(0, zlib.compress(text), text)
        long = (b"item", b"i" * (newblocks.MAX_ITEM + 1), b"item")
        files = [(at, hash_of(at), hash_of(-at), 9, item) for at, item in enumerate(long)]
        for begin in range(0, 3, count):
            writer.several(files[begin : begin + count])
        assert writer.save(ABOUT)
        assert [*Blocks(tmp_path / name).block(0).lengths] == [4, 0, 4]


def test_nothing_is_written_if_all_is_the_same(tmp_path: Path) -> None:
    path = tmp_path / "listing"
    frames = [[0, 2], [3, 4]]
    run(path, frames)
    before = path.stat().st_ino
    assert run(path, frames)
    assert path.stat().st_ino == before
    for changed in ({"item": b"other"}, {"roots": ["s"]}, {"item": b"other"}):
        assert run(path, frames, **changed)
        assert path.stat().st_ino != before
        before = path.stat().st_ino
    assert run(path, frames[:1])
    assert len(Blocks(path)) == 1


def test_files_are_copied_from_a_block(tmp_path: Path) -> None:
    """Their places among the entries may be others."""
    run(tmp_path / "one", [[0, 2, 4, 6]])
    block = Blocks(tmp_path / "one").block(0)
    writer = Writer(tmp_path / "two", Blocks(NOWHERE))
    text = b"".join(entry(b"%d" % number) for number in (1, 2, 4, 8))
    writer.frame(7, zlib.compress(text), text)
    writer.same(8, block.part(1, 3))
    writer.one(10, hash_of(8), hash_of(-8), 8, b"item" * 9)
    writer.save(ABOUT)
    run(tmp_path / "three", [[1, 2, 4, 8]])
    assert (tmp_path / "two").read_bytes() == (tmp_path / "three").read_bytes()


@pytest.mark.parametrize("at", [0, 20, 100, 300, -30, -10, -1])
def test_a_damaged_file_gives_nothing(tmp_path: Path, at: int) -> None:
    path = tmp_path / "listing"
    run(path, [[0, 2], [4]])
    text = bytearray(path.read_bytes())
    text[at] ^= 1
    path.write_bytes(text)
    found = Blocks(path)
    if found.about:
        with pytest.raises(Damaged):
            [found.block(number) for number in range(len(found))]
    else:
        assert len(found) == 0
    assert not found.about or at not in (-30, -10, -1)


@pytest.mark.parametrize("size", [0, 1, 20, 100])
def test_a_cut_file_gives_nothing(tmp_path: Path, size: int) -> None:
    path = tmp_path / "listing"
    run(path, [[0, 2], [4]])
    os.truncate(path, size)
    found = Blocks(path)
    assert (len(found), found.about, found.fit({})) == (0, {}, False)


def test_what_it_depends_on_must_be_the_same() -> None:
    found = Blocks(NOWHERE)
    assert not found.fit({"roots": ["r"]})
    found.about = ABOUT
    assert found.fit({"roots": ["r"]})
    assert not found.fit({"roots": ["s"]})
    assert not found.fit({"roots": ["r"], "patterns": []})


def test_a_full_disk_fails_no_run(tmp_path: Path) -> None:
    run(tmp_path / "listing", [[0, 2]])
    before = (tmp_path / "listing").read_bytes()
    writer = Writer(tmp_path / "listing", Blocks(NOWHERE))
    writer.frame(0, b"", entry(b"a"))
    with Path("/dev/full").open("wb", buffering=0) as writer._file:
        assert not writer.save(ABOUT)
    assert (tmp_path / "listing").read_bytes() == before
    assert not Writer(NOWHERE / "listing", Blocks(NOWHERE)).save(ABOUT)


def test_an_item_that_is_too_long_is_no_plain_one(tmp_path: Path) -> None:
    run(tmp_path / "listing", [[0, 2]], item=bytes(newblocks.MAX_ITEM // 2))
    assert [*Blocks(tmp_path / "listing").block(0).lengths] == [newblocks.MAX_ITEM // 2, 0]


def test_what_is_not_saved_leaves_nothing(tmp_path: Path) -> None:
    writer = Writer(tmp_path / "listing", Blocks(NOWHERE))
    for first in (0, 1):
        writer.frame(first, b"", entry(b"a"))
        writer.one(first, hash_of(1), hash_of(1), 1, b"item")
    assert [*tmp_path.iterdir()]
    writer.close()
    assert not [*tmp_path.iterdir()]


def test_a_frame_is_written_once_all_of_it_is_saved(tmp_path: Path) -> None:
    """Also one without any plain file: a listing of such must not be held."""
    writer = Writer(tmp_path / "listing", Blocks(NOWHERE))
    for first in range(3):
        writer.frame(first, b"", entry(b"a"))
    writer.done(2)
    assert len(writer._pending) == 1
    assert writer._weight == writer._pending[0].weight
    writer.frame(3, b"", b"")
    assert len(writer._pending) == 1, "one without an entry is no frame"
    assert writer.save(ABOUT)
    assert [len(Blocks(tmp_path / "listing").block(number)) for number in range(3)] == [1] * 3


@pytest.mark.parametrize(("frames", "item"), [(200, b""), (1, bytes(10_000))])
def test_what_waits_has_a_bound(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, frames: int, item: bytes
) -> None:
    monkeypatch.setattr(newblocks, "MAX_PENDING", 10_000)
    writer = Writer(tmp_path / "listing", Blocks(NOWHERE))
    for first in range(frames):
        writer.frame(first, b"", entry(b"a"))
    writer.one(0, hash_of(0), hash_of(0), 1, item)
    assert not writer._pending
    writer.frame(frames, b"", entry(b"a"))
    writer.one(frames, hash_of(0), hash_of(0), 1, b"")
    assert not writer.save(ABOUT)
    assert not [*tmp_path.iterdir()]


def test_a_frame_of_too_many_entries_or_bytes_has_no_plain_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A block is read as a whole."""
    monkeypatch.setattr(newblocks, "MAX_ENTRIES", 3)
    monkeypatch.setattr(newblocks, "MAX_ITEMS", 100)
    run(tmp_path / "listing", [[0, 2, 4, 6], [0, 2, 4], [30, 2], [0]])
    found = Blocks(tmp_path / "listing")
    lengths = [[*found.block(number).lengths] for number in range(4)]
    assert lengths == [[0, 0, 0, 0], [4, 12, 20], [0, 0], [4]]


@pytest.mark.parametrize("more", [1, 0xFFFFFFFF])
def test_an_entry_that_is_cut_is_none(more: int) -> None:
    cut = struct.pack("<HHI", 1, 1, more) + bytes(64) + b"a"
    assert [*newblocks._sizes(entry(b"a") + cut)] == [73]
