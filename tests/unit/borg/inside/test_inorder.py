"""The sums of the last run: each file gets its own one, in whatever order the files come."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from borgpull.borg.inside import inorder
from borgpull.borg.inside.inorder import InOrder
from borgpull.borg.inside.sums import EMPTY, Sums, key_of

DICE = random.Random(3)
# The chunks of files, and their sums: most have one chunk, some have none, or two.
FILES: dict[int, list[bytes]] = {
    number: [DICE.randbytes(32) for _ in range({7: 0, 9: 2}.get(number % 10, 1))]
    for number in range(60)
}
SUMS = {number: DICE.randbytes(32) if ids else EMPTY for number, ids in FILES.items()}


def known(folder: Path) -> Sums:
    sums = Sums(folder / "sums")
    for number, ids in FILES.items():
        if ids:
            sums.note(key_of(ids), SUMS[number])
    sums.save(lambda _: True, 9**9)
    return Sums(folder / "sums")


def run(folder: Path, files: list[int], new: frozenset[int] = frozenset()) -> InOrder:
    """A run over these files, of which the new ones are read."""
    order = InOrder(folder / "order", known(folder))
    batch: list[int] = []

    def save() -> None:
        if not batch:
            return
        at = order.before(len(batch))
        if at >= 0:
            order.same(at, len(batch))
        else:
            for number in batch:
                order.add(key_of(FILES[number]), SUMS[number])
        batch.clear()

    for number in files:
        if number in new:
            save()
            order.add(key_of(FILES[number]), SUMS[number])
        else:
            assert order.of(FILES[number]) == SUMS[number]
            batch.append(number)
    save()
    order.save()
    return order


def left(folder: Path) -> bytes:
    return (folder / "order").read_bytes()[12:]


def pairs(files: list[int]) -> bytes:
    return b"".join(key_of(FILES[number]) + SUMS[number] for number in files)


lists = st.lists(st.sampled_from(sorted(FILES)), max_size=40)


@given(lists, lists, st.frozensets(st.sampled_from(sorted(FILES))))
def test_each_file_gets_its_sum_and_the_next_run_has_the_order(
    tmp_path_factory: pytest.TempPathFactory,
    first: list[int],
    second: list[int],
    new: frozenset[int],
) -> None:
    folder = tmp_path_factory.mktemp("order")
    run(folder, first, frozenset(FILES))
    run(folder, second, new)
    assert not second or left(folder) == pairs(second)
    assert run(folder, second).misses == 0 or not second


def test_the_same_files_write_nothing_and_a_run_without_files_neither(tmp_path: Path) -> None:
    files = [*FILES]
    run(tmp_path, files)
    before = (tmp_path / "order").stat().st_ino
    for again in (files, []):
        assert run(tmp_path, again).misses == 0
        assert (tmp_path / "order").stat().st_ino == before


@pytest.mark.parametrize("at", [0, 8, 11, 12, 70, -1])
def test_a_damaged_order_is_none(tmp_path: Path, at: int) -> None:
    files = [*FILES]
    run(tmp_path, files)
    content = bytearray((tmp_path / "order").read_bytes())
    content[at] ^= 1
    (tmp_path / "order").write_bytes(content)
    assert run(tmp_path, files).misses == len(files)
    assert left(tmp_path) == pairs(files)


def test_an_order_of_other_files_is_not_searched_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inorder, "PATIENCE", 3)
    files = [*FILES]
    run(tmp_path, files[:30])
    order = run(tmp_path, files[30:] + files[:30])
    assert (order.misses, order._patience) == (30, 0)


def test_a_file_of_several_chunks_keeps_its_sum_when_chunks_are_lost(tmp_path: Path) -> None:
    """Its key is no chunk's. It stays among the sums as long as a run has used it."""
    files, sums = [9, 19], known(tmp_path)
    run(tmp_path, files)
    for _ in range(2000):
        sums.note(DICE.randbytes(32), bytes(32))
    sums.save(lambda _: True, 9**9)
    sums = Sums(tmp_path / "sums")
    order = InOrder(tmp_path / "order", sums)
    assert [order.of(FILES[number]) for number in files] == [SUMS[number] for number in files]
    sums.note(b"n" * 32, bytes(32))
    sums.save(lambda _: False, 0)
    once_more = Sums(tmp_path / "sums")
    assert once_more.of(FILES[1]) is None
    for number in files:
        assert once_more.of(FILES[number]) == SUMS[number]
