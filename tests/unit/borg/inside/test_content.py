"""What the engine saves of a large file must be what has come."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, NamedTuple

import pytest

from borgpull.borg.inside.ahead import Coming, Hasher
from borgpull.borg.inside.content import Chunks, Large
from borgpull.borg.inside.wire import End


class Shown(NamedTuple):
    """A chunk, as borg's chunker shows it."""

    data: Any
    meta: dict[str, int]


def chunks_of(*sizes: int) -> Any:
    """Stands for `Chunks`, with a borg that has saved chunks of these sizes."""
    item = SimpleNamespace(chunks=[SimpleNamespace(size=size) for size in sizes])
    processor = SimpleNamespace(process_file_chunks=lambda *_: None)
    return SimpleNamespace(
        _item=lambda **_: item,
        _processor=processor,
        _cache=None,
        _archive=SimpleNamespace(stats=None),
        _progress=False,
        _one=None,
    )


def large_of(size: int, *, lost: bool = False) -> Large:
    reader: Any = SimpleNamespace(
        size=size, lost=lost, end=End(0, 0, 1, size), sum=lambda whole: whole
    )
    return Large(reader, Coming(Hasher(lambda data: data), iter(()), lambda chunk: chunk), True)


@pytest.mark.parametrize("size", [6, 8])
def test_a_file_of_which_other_bytes_were_saved_than_have_come_ends_the_run(size: int) -> None:
    with pytest.raises(RuntimeError, match=f"7 bytes of a file were saved, and {size} have come"):
        Chunks.large(chunks_of(3, 4), {}, large_of(size))


def test_all_that_has_come_is_saved_unless_a_chunk_is_lost() -> None:
    assert [chunk.size for chunk in Chunks.large(chunks_of(3, 4), {}, large_of(7))[0]] == [3, 4]
    assert [chunk.size for chunk in Chunks.large(chunks_of(3), {}, large_of(7, lost=True))[0]] == [
        3
    ]


def test_the_channel_is_drained_after_each_chunk_of_a_large_file() -> None:
    drained: list[int] = []
    contents = [memoryview(b"%04d" % number) for number in range(3)]
    chunks: Any = SimpleNamespace(
        hasher=Hasher(lambda data: data),
        _chunker=SimpleNamespace(chunkify=None),
        _id_of=lambda chunk: (b"", chunk.data),
    )
    shown = [Shown(data, {"size": 4}) for data in contents]
    reader: Any = SimpleNamespace(
        size=12, cut=lambda _: iter(shown), drain=lambda: drained.append(1)
    )
    found = Chunks.begin(chunks, reader).chunks
    assert not drained
    assert len(list(found)) == len(drained) == 3
