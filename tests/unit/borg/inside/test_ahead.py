"""Chunks that are hashed ahead, while borg's chunker goes on in its one buffer."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256
from typing import Any, NamedTuple

from borgpull.borg.inside.ahead import CHUNKS, Hasher


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
    chunks = hasher.chunks(_chunked(contents), lambda chunk: (chunk.data, sha256(chunk.data)))
    found = [(future.result()[0], bytes(chunk.data)) for chunk, future in chunks if future]
    assert [bytes(data) for data, _ in found] == contents
    assert [data for _, data in found] == contents
