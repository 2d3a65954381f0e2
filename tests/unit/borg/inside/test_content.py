"""What the engine saves of a large file must be what has come."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from borgpull.borg.inside.ahead import Coming, Hasher
from borgpull.borg.inside.content import Chunks, Large
from borgpull.borg.inside.wire import End


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
