"""Chunks that are hashed ahead, while borg's chunker goes on in its one buffer."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256
from threading import Event
from typing import Any, NamedTuple

import pytest

from borgpull.borg.inside.ahead import AVERAGE, CHUNKS, WORTH, Coming, Hasher, Whole


class _Chunk(NamedTuple):
    """As borg's."""

    data: Any
    meta: dict[str, int]


def _chunked(contents: list[bytes]) -> Iterator[_Chunk]:
    """As borg's chunker: each chunk is shown in the same buffer."""
    buffer = bytearray(4)
    for content in contents:
        buffer[:] = content
        yield _Chunk(memoryview(buffer), {"size": len(content)})


def test_a_chunk_that_waits_keeps_its_content() -> None:
    contents = [b"%04d" % number for number in range(3 * CHUNKS)]
    hasher = Hasher(lambda data: sha256(data).digest())
    chunks = Coming(hasher, _chunked(contents), lambda chunk: (b"id", chunk.data))
    found = [
        (bytes(one.chunk.data), one.named.result()[1], one.sum.result())
        for one in chunks
        if one.named and one.sum
    ]
    assert found == [(data, data, sha256(data).digest()) for data in contents]
    assert chunks.whole.digest() == sha256(b"".join(contents)).digest()


def test_a_file_that_has_come_does_not_go_on_in_the_next_one() -> None:
    class Chunker:
        """As borg's: one for all files."""

        def __init__(self) -> None:
            self.left: Iterator[_Chunk] = iter(())

        def chunkify(self, contents: list[bytes]) -> Chunker:
            self.left = _chunked(contents)
            return self

        def __iter__(self) -> Chunker:
            return self

        def __next__(self) -> _Chunk:
            return next(self.left)

    chunker, hasher = Chunker(), Hasher(lambda data: data)
    later = [b"%04d" % number for number in range(3 * CHUNKS)]
    first = Coming(hasher, chunker.chunkify([b"only"]), lambda chunk: (b"", chunk.data))
    assert first.fill()
    second = Coming(hasher, chunker.chunkify(later), lambda chunk: (b"", chunk.data))
    assert not second.fill()
    assert first.fill()
    assert [bytes(one.chunk.data) for one in first] == [b"only"]
    assert [bytes(one.chunk.data) for one in second] == later


@pytest.mark.parametrize(("count", "all_come"), [(0, True), (CHUNKS, True), (CHUNKS + 1, False)])
def test_some_chunks_are_taken_before_their_turn(count: int, *, all_come: bool) -> None:
    contents = [b"%04d" % number for number in range(count)]
    chunks = Coming(Hasher(lambda data: data), _chunked(contents), lambda chunk: (b"", chunk.data))
    assert chunks.fill() == all_come
    assert len(list(chunks)) == count


def test_a_chunk_that_waits_for_its_id_is_not_hashed() -> None:
    wait = Event()

    def named(chunk: Any) -> tuple[bytes, Any]:
        assert wait.wait(60)
        return b"id", chunk.data

    chunks = Coming(Hasher(lambda data: data), _chunked([b"0000"]), named)
    assert chunks.fill()
    assert not chunks.hashed()
    wait.set()
    assert [one.named and one.named.result()[0] for one in chunks] == [b"id"]


def test_something_is_done_after_each_chunk() -> None:
    contents = [b"%04d" % number for number in range(CHUNKS + 2)]
    seen: list[bytes] = []
    done: list[int] = []
    chunks = Coming(
        *(Hasher(lambda data: data), _chunked(contents), lambda chunk: (b"", chunk.data)),
        meanwhile=lambda: done.append(len(seen)),
    )
    for one in chunks:
        seen.append(bytes(one.chunk.data))
    assert seen == contents
    assert done == [number + 1 for number in range(len(contents))]


@pytest.mark.parametrize(
    ("sizes", "threads"),
    [([WORTH], True), ([WORTH - 1], False), ([AVERAGE] * 4, True), ([AVERAGE - 1] * 40, False)],
)
def test_threads_get_what_is_worth_it(sizes: list[int], *, threads: bool) -> None:
    hasher = Hasher(lambda data: b"id of %d" % len(data))
    contents = [bytes(size) for size in sizes]
    found = hasher.begin(contents)
    assert (found is not None) == threads
    if found is not None:
        assert found.result() == [hasher.hashed(data) for data in contents]


@pytest.mark.parametrize("count", [0, 1, 2])
def test_the_sum_of_all_chunks_is_that_of_their_contents(count: int) -> None:
    contents = [b"%04d" % number for number in range(count)]
    whole = Whole()
    assert [whole.add(data) for data in contents] == [sha256(data).digest() for data in contents]
    assert whole.digest() == sha256(b"".join(contents)).digest()


def test_a_hole_counts_as_zeros_and_a_known_chunk_not_at_all() -> None:
    hasher = Hasher(lambda data: data)
    shown = [_Chunk(memoryview(b"data"), {}), _Chunk(None, {}), b"known"]
    chunks = Coming(hasher, iter(shown), lambda chunk: (b"", chunk.data or bytes(3)))
    found = [one.sum and one.sum.result() for one in chunks]
    assert found == [sha256(b"data").digest(), sha256(bytes(3)).digest(), None]
    assert chunks.whole.digest() == sha256(b"data" + bytes(3)).digest()
