"""Attributes from a client."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from borgpull.borg.inside.extras import MAX_KEY, MAX_VALUE, extra
from borgpull.borg.inside.wire import BadFrame


def part(tag: bytes, key: bytes = b"", value: bytes = b"") -> bytes:
    return struct.pack("<cHI", tag, len(key), len(value)) + key + value


@given(content=st.binary(max_size=200))
def test_any_bytes_are_attributes_or_a_bad_frame(content: bytes) -> None:
    try:
        extra(content)
    except BadFrame:
        return


def test_all_that_there_may_be() -> None:
    acl = b"\2\0\0\0" + bytes(8)
    found = extra(
        part(b"x", b"user.a", b"1")
        + part(b"x", b"user.empty")
        + part(b"e", b"user.b", b"5")
        + part(b"e", b"", b"13")
        + part(b"A", b"", acl)
        + part(b"D", b"", acl)
        + part(b"f", b"", b"64")
        + part(b"n")
    )
    assert found.xattrs == {b"user.a": b"1", b"user.empty": b""}
    assert found.failed == ((b"user.b", 5), (b"", 13))
    assert (found.access, found.default, found.flags, found.fresh) == (acl, acl, 64, True)
    assert extra(part(b"l", b"", b"to")).target == b"to"
    assert extra(part(b"o", b"", b"13")).closed == 13


@pytest.mark.parametrize(
    "content",
    [
        part(b"?"),
        part(b"x", b"", b"1"),
        part(b"x", b"k" * (MAX_KEY + 1)),
        part(b"x", b"k", bytes(MAX_VALUE + 1)),
        part(b"x", b"k", b"v")[:-1],
        part(b"A", b"", b"\2\0\0\0x"),
        part(b"l", b"", b"a\0b"),
        part(b"f", b"", b"-1"),
        part(b"f", b"", b"1" * 11),
    ],
)
def test_attributes_that_no_helper_sends(content: bytes) -> None:
    with pytest.raises(BadFrame):
        extra(content)
