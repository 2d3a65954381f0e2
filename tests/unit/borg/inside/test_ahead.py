"""Chunks that are hashed ahead, while borg's chunker goes on in its one buffer."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256
from typing import Any, NamedTuple

import pytest

from borgpull.borg.inside.ahead import CHUNKS, Hasher, Whole


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
    whole = Whole()
    chunks = hasher.chunks(_chunked(contents), lambda chunk: (b"id", chunk.data), whole)
    found = [
        (bytes(one.chunk.data), one.named.result()[1], one.sum.result())
        for one in chunks
        if one.named and one.sum
    ]
    assert found == [(data, data, sha256(data).digest()) for data in contents]
    assert whole.digest() == sha256(b"".join(contents)).digest()


@pytest.mark.parametrize("count", [0, 1, 2])
def test_the_sum_of_all_chunks_is_that_of_their_contents(count: int) -> None:
    contents = [b"%04d" % number for number in range(count)]
    whole = Whole()
    assert [whole.add(data) for data in contents] == [sha256(data).digest() for data in contents]
    assert whole.digest() == sha256(b"".join(contents)).digest()


def test_a_hole_counts_as_zeros_and_a_known_chunk_not_at_all() -> None:
    hasher, whole = Hasher(lambda data: data), Whole()
    shown = [_Chunk(memoryview(b"data"), {}), _Chunk(None, {}), b"known"]
    chunks = hasher.chunks(iter(shown), lambda chunk: (b"", chunk.data or bytes(3)), whole)
    found = [one.sum and one.sum.result() for one in chunks]
    assert found == [sha256(b"data").digest(), sha256(bytes(3)).digest(), None]
    assert whole.digest() == sha256(b"data" + bytes(3)).digest()
