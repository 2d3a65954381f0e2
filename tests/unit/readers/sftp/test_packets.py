"""Whatever a server sends, the parser takes it or raises BadAnswer, and nothing else."""

from __future__ import annotations

import contextlib
import struct
from collections.abc import Callable
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from borgpull.readers.child import BadAnswer
from borgpull.readers.sftp import packets

PARSERS: list[Callable[[bytes], Any]] = [
    packets.status,
    packets.handle,
    packets.attrs,
    packets.names,
    packets.path,
    packets.version,
    packets.most_handles,
    lambda body: packets.data(body, 10),
    lambda body: packets.length(body + bytes(4), 0),
]
NUMBER = st.integers(0, 12) | st.sampled_from([15, 0x8000000F, 0x7FFFFFFF, 0xFFFFFFFF])
PIECE = NUMBER.map(lambda number: struct.pack(">I", number)) | st.binary(max_size=9).map(
    lambda text: struct.pack(">I", len(text)) + text
)
BODY = st.binary(max_size=60) | st.lists(PIECE, max_size=14).map(b"".join)


@settings(max_examples=400, deadline=None, derandomize=True)
@given(BODY)
def test_any_bytes(body: bytes) -> None:
    for parser in PARSERS:
        with contextlib.suppress(BadAnswer):
            parser(body)


ATTRS = struct.pack(">IQIIIII", 15, 5, 1, 2, 0o100644, 3, 4)
NAMED = struct.pack(">I", 1) + packets.text(b"name") + packets.text(b"-rw") + ATTRS


@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.integers(0, len(NAMED)), st.binary(max_size=5))
def test_a_good_answer_that_is_damaged(at: int, piece: bytes) -> None:
    body = NAMED[:at] + piece + NAMED[at + len(piece) :]
    for parser in PARSERS:
        with contextlib.suppress(BadAnswer):
            parser(body)


def test_a_good_answer() -> None:
    known = packets.Attrs(0o100644, 1, 2, 5, 4)
    assert packets.names(NAMED) == [(b"name", known)]
    assert packets.attrs(ATTRS) == known
    assert packets.attrs(struct.pack(">I", 0)) == (-1, -1, -1, -1, -1)
    more = struct.pack(">II", 0x80000000, 1) + packets.text(b"a@b") + packets.text(b"c")
    assert packets.attrs(more).mode == -1
    assert packets.path(NAMED) == b"name"
