"""Which of the new chunks are read back."""

from __future__ import annotations

import random

import pytest

from borgpull.borg.inside.readback import BYTES, CHUNKS, Sampled


def sample(count: int, size: int, share: int) -> tuple[Sampled, list[bytes], list[bytes]]:
    dice = random.Random(count)
    ids = [dice.randbytes(32) for _ in range(count)]
    found = Sampled(share)
    for one in ids:
        found.note(one, size)
    return found, ids, found.take()


def test_all_of_a_small_run_is_read() -> None:
    _, ids, taken = sample(2 * CHUNKS, 100, 64)
    assert taken == ids


def test_of_many_chunks_a_share_is_read_and_it_is_a_fair_one() -> None:
    _, ids, taken = sample(200_000, 100, 64)
    assert 200_000 / 64 * 0.95 <= len(taken) <= 2 * 200_000 / 64
    places = {one: at for at, one in enumerate(ids)}
    thirds = [0, 0, 0]
    for one in taken:
        thirds[places[one] * 3 // len(ids)] += 1
    assert min(thirds) > len(taken) / 4


def test_between_the_floor_and_the_share_the_larger_counts() -> None:
    _, _, taken = sample(CHUNKS * 20, 100, 64)
    assert CHUNKS * 0.95 <= len(taken) <= 2 * CHUNKS


def test_of_large_chunks_the_bytes_count() -> None:
    size = 2 << 20
    _, _, taken = sample(500, size, 64)
    assert 1 <= len(taken) <= 2 * max(BYTES, 500 * size // 64) / size
    _, _, taken = sample(5, BYTES * 3, 64)
    assert len(taken) == 1


def test_with_a_share_of_one_all_is_read() -> None:
    _, ids, taken = sample(10_000, 1 << 20, 1)
    assert taken == ids


@pytest.mark.parametrize("size", [100, 2 << 20])
def test_chunks_that_are_noted_together_are_sampled_as_one_by_one(size: int) -> None:
    found, ids, taken = sample(5000, size, 64)
    for at in range(0, 5000, 32):
        found.note_all([(one, 1, size) for one in ids[at : at + 32]])
    assert found.count == 5000
    assert found.take() == taken


def test_the_next_sample_begins_anew() -> None:
    found, _, _ = sample(5_000, 100, 64)
    found.note(b"\xfe" * 32, 10)
    assert (found.count, found.take()) == (1, [b"\xfe" * 32])


def test_the_list_of_archives_has_no_hash_for_its_id_and_is_left_out() -> None:
    found = Sampled(1)
    found.note(bytes(32), 10)
    assert found.take() == []
