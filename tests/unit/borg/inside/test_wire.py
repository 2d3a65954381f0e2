"""Frames from a client: all that is wrong raises BadFrame, and nothing else."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from borgpull.borg.inside import wire
from borgpull.borg.inside.wire import BadFrame
from tests.support import evil_helper as made

PARSERS: dict[str, Callable[[bytes], Any]] = {
    "rows": lambda content: list(wire.rows(content)),
    "rows unpacked": lambda content: list(wire.rows(zlib.compress(content))),
    "again": wire.again,
    "begin": wire.begin,
    "whole": wire.whole,
    "whole with content": lambda content: wire.whole(content.rjust(200, b"\0")),
    "stop": wire.stop,
    "zeros": wire.zeros,
    "same": wire.same,
    "sum": wire.sum_of,
    "name": wire.name,
    "trouble": wire.trouble,
    "listed": wire.listed,
    "bye": wire.bye,
    "head": lambda content: wire.head(content.ljust(5, b"\0")),
}


@pytest.mark.parametrize("name", PARSERS)
@given(content=st.binary(max_size=300))
def test_any_bytes_are_a_frame_or_a_bad_frame(name: str, content: bytes) -> None:
    try:
        PARSERS[name](content)
    except BadFrame:
        return


def _row(**more: Any) -> bytes:
    given = {"depth": 1, "name": b"file", "mode": made.FILE, **more}
    return made.row(given["depth"], given["name"], given["mode"], given.get("size", 0))


@given(
    depth=st.integers(0, wire.MAX_DEPTH),
    name=st.binary(min_size=1, max_size=255),
    size=st.integers(0, wire.MAX_SIZE),
)
def test_a_row_comes_back_as_it_was_or_its_name_is_bad(depth: int, name: bytes, size: int) -> None:
    packed = zlib.compress(_row(depth=depth, name=name, size=size) * 2)
    good = b"\0" not in name and (depth == 0 or (b"/" not in name and name not in (b".", b"..")))
    if not good:
        with pytest.raises(BadFrame):
            list(wire.rows(packed))
        return
    for row in wire.rows(packed):
        assert (row.depth, row.name, row.st.st_size, row.st.st_ino) == (depth, name, size, 7)
        assert (row.st.st_mtime_ns, row.extra) == (10**18, b"")


@pytest.mark.parametrize(
    "content",
    [
        zlib.compress(_row())[:-1],
        zlib.compress(_row()) + b"x",
        zlib.compress(_row()[:-1]),
        zlib.compress(bytes(wire.MAX_ROWS + 1)),
        zlib.compress(_row(depth=wire.MAX_DEPTH + 1)),
        zlib.compress(_row(name=b"n" * (wire.MAX_NAME + 1))),
        zlib.compress(_row(size=wire.MAX_SIZE + 1)),
        zlib.compress(_row(mode=1 << 16)),
        zlib.compress(_row(name=b"")),
    ],
)
def test_listings_that_no_helper_sends(content: bytes) -> None:
    with pytest.raises(BadFrame):
        list(wire.rows(content))


def test_each_kind_of_frame_has_a_length() -> None:
    for kind in range(256):
        for length in (0, wire.LIMITS.get(kind, 0), 1 << 31):
            good = length <= wire.LIMITS.get(kind, -1)
            head = struct.pack("<BI", kind, length)
            if good:
                assert wire.head(head) == (kind, length)
            else:
                with pytest.raises(BadFrame):
                    wire.head(head)


def test_a_small_file() -> None:
    answer, end, data = wire.whole(made.whole(4, 5, b"hello")[5:])
    assert (answer.number, answer.stage, data) == (4, 0, b"hello")
    assert answer.st is not None
    assert (answer.st.st_size, end.size, end.ctime_ns) == (5, 5, answer.st.st_ctime_ns)
    with pytest.raises(BadFrame):
        wire.whole(made.whole(4, 5, bytes(wire.SMALL + 1))[5:])
