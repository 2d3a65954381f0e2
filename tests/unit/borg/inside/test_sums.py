"""What is remembered of contents: nothing that is damaged counts, and nothing known is lost."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from borgpull.borg.inside.sums import EMPTY, Sums, key_of

DICE = random.Random(7)


def _pairs(count: int) -> dict[bytes, bytes]:
    return {DICE.randbytes(32): DICE.randbytes(32) for _ in range(count)}


def _saved(path: Path, pairs: dict[bytes, bytes], there: bool = True, size: int = 9**9) -> Sums:
    sums = Sums(path)
    for key, found in pairs.items():
        sums.note(key, found)
    sums.save(lambda _: there, size)
    return Sums(path)


@pytest.mark.parametrize("count", [1, 2, 5, 1000, 20_000])
def test_all_that_was_learned_is_known_in_the_next_run(tmp_path: Path, count: int) -> None:
    first, second = _pairs(count), _pairs(count // 2)
    _saved(tmp_path / "sums", first)
    sums = _saved(tmp_path / "sums", second)
    assert all(sums.get(key) == found for key, found in {**first, **second}.items())
    assert not any(sums.get(key) for key in _pairs(100))
    # A sum stands where keys do not: it is found as no key.
    assert not any(sums.get(found) for found in first.values())


@pytest.mark.parametrize("count", [1, 2, 5, 1000, 20_000])
@pytest.mark.parametrize("more", [1, 2, 40])
def test_a_few_more_leave_the_file_that_all_at_once_leave(
    tmp_path: Path, count: int, more: int
) -> None:
    first, second = _pairs(count), _pairs(more)
    _saved(tmp_path / "sums", first)
    _saved(tmp_path / "sums", second)
    _saved(tmp_path / "at-once", {**first, **second})
    assert (tmp_path / "sums").read_bytes() == (tmp_path / "at-once").read_bytes()


def test_a_run_that_learns_nothing_writes_nothing(tmp_path: Path) -> None:
    pairs = _pairs(10)
    _saved(tmp_path / "sums", pairs)
    before = (tmp_path / "sums").stat().st_ino
    _saved(tmp_path / "sums", pairs)
    assert (tmp_path / "sums").stat().st_ino == before


def test_where_many_chunks_are_lost_files_of_this_run_and_chunks_that_are_there_stay(
    tmp_path: Path,
) -> None:
    """A file of several chunks has a key of its own, which no chunk has."""
    old, new = _pairs(3000), _pairs(1)
    path = tmp_path / "sums"
    chunks = [*old]
    files = [chunks[at : at + 2] for at in range(0, 20, 2)]
    old |= {key_of(ids): key_of(ids[::-1]) for ids in files}
    sums = _saved(path, old)
    used = files[:5]
    for ids in used:
        assert sums.of(ids) == key_of(ids[::-1])
    sums.note(key_of(files[5]), old[key_of(files[5])])  # it was read again
    for key, found in new.items():
        sums.note(key, found)
    there = chunks[100:105]
    sums.save(lambda key: key in there, 10)
    left = Sums(path)
    stays = {*map(key_of, files[:6]), *there, *new}
    assert {key for key in [*old, *new] if left.get(key)} == stays


@given(data=st.data())
def test_a_damaged_file_knows_nothing(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    path = tmp_path_factory.mktemp("sums") / "sums"
    pairs = _pairs(20)
    _saved(path, pairs)
    content = bytearray(path.read_bytes())
    at = data.draw(st.integers(0, len(content) - 1))
    if data.draw(st.booleans()):
        content[at] ^= data.draw(st.integers(1, 255))
    else:
        del content[at:]
    path.write_bytes(content)
    sums = Sums(path)
    assert not any(sums.get(key) for key in pairs)
    assert all(_saved(path, pairs).get(key) == found for key, found in pairs.items())


def test_the_name_of_a_file_is_that_of_its_only_chunk(tmp_path: Path) -> None:
    one, two = b"1" * 32, b"2" * 32
    sums = _saved(tmp_path / "sums", {one: b"a" * 32, key_of([one, two]): b"b" * 32})
    assert (sums.of([one]), sums.of([one, two])) == (b"a" * 32, b"b" * 32)
    assert (sums.of([two, one]), sums.of([])) == (None, EMPTY)
