from __future__ import annotations

import contextlib
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from borgpull.borg.inside.replies import (
    BYE,
    MARK,
    MAX_GREETING,
    MAX_TROUBLES,
    TOLD,
    TROUBLE,
    BadReply,
    Replies,
    Told,
    Trouble,
)


def told(number: int, size: int, kind: int = TOLD) -> bytes:
    return struct.pack("<BIIQ", kind, 12, number, size)


def trouble(number: int, op: int = 2, errno: int = 28, detail: bytes = b"") -> bytes:
    return struct.pack("<BIIBi", TROUBLE, 9 + len(detail), number, op, errno) + detail


def begun(*asked: Told, sent: Told | None = None) -> Replies:
    """After the first answer; `asked` are the answers that it must give now."""
    replies = Replies()
    assert list(replies.feed(b"Welcome!" + MARK + told(0, 0))) == [Told(0, 0)]
    replies.expected.extend(asked)
    replies.sent = sent or (asked[-1] if asked else Told(0, 0))
    return replies


def test_a_session() -> None:
    replies = begun(Told(3, 10), Told(5, 99))
    said = trouble(2) + told(3, 10) + trouble(3, 7, 95, b"user.x") + told(5, 99)
    found = [reply for at in range(len(said)) for reply in replies.feed(said[at : at + 1])]
    assert found == [
        Trouble(2, "write", 28, ""),
        Told(3, 10),
        Trouble(3, "xattr", 95, "user.x"),
        Told(5, 99),
    ]
    replies.finished = True
    assert list(replies.feed(told(5, 99, BYE))) == [Told(5, 99)]
    assert replies.ended


@pytest.mark.parametrize(
    "said",
    [
        told(3, 11),  # more than there was, and less
        told(2, 10),
        told(3, 10) + told(3, 10),  # nobody asked
        told(3, 10, BYE),  # the end was not sent
        trouble(0),
        trouble(4),  # this item was not sent
        told(3, 10) + trouble(2),  # an item that is done
        trouble(2) + trouble(1),
        trouble(1) * (MAX_TROUBLES + 1),  # it would never end
        trouble(1, 99),
        trouble(1, 2, 0),
        trouble(1, 2, -5),
        trouble(1, detail=b"x" * 256),
        struct.pack("<BI", TOLD, 1 << 31),
        struct.pack("<BI", 9, 0),
        struct.pack("<BI", TROUBLE, 3) + b"abc",
        struct.pack("<BI", TOLD, 0),
    ],
)
def test_lies(said: bytes) -> None:
    with pytest.raises(BadReply):
        list(begun(Told(3, 10)).feed(said))


def test_a_greeting_without_end_and_words_after_the_last() -> None:
    replies = Replies()
    with pytest.raises(BadReply):
        for _ in range(MAX_GREETING // 1000 + 2):
            list(replies.feed(b"x" * 1000))
    replies = begun()
    replies.finished = True
    list(replies.feed(told(0, 0, BYE)))
    with pytest.raises(BadReply):
        list(replies.feed(told(0, 0, BYE)))


def test_a_detail_is_text() -> None:
    assert next(begun(Told(1, 0)).feed(trouble(1, detail=b"\x1b[2J"))) == Trouble(
        1, "write", 28, "?"
    )


PIECES = st.one_of(
    st.binary(max_size=40),
    st.builds(told, st.integers(0, 9), st.integers(0, 99), st.sampled_from([TOLD, BYE])),
    st.builds(trouble, st.integers(0, 9), st.integers(0, 12), st.integers(-1, 5000), st.binary()),
)


@settings(deadline=None, derandomize=True, max_examples=100)
@given(st.lists(PIECES, max_size=8))
def test_anything(pieces: list[bytes]) -> None:
    replies = begun(Told(2, 5), Told(4, 9))
    with contextlib.suppress(BadReply):
        for piece in pieces:
            for reply in replies.feed(piece):
                assert reply.number <= 4
    assert not replies.ended
