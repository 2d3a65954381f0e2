"""The answer of a reader: nothing that comes behind it is read."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from borgpull.borg.inside import wire
from borgpull.client import ends
from borgpull.errors import ConnectionLost, HostileClient

BEHIND = b"what the engine reads"


@contextmanager
def saying(text: bytes) -> Iterator[int]:
    """From where this comes, all at once."""
    with tempfile.TemporaryFile() as file:
        file.write(text)
        file.seek(0)
        yield file.fileno()


@pytest.mark.parametrize(
    "greeting",
    [b"", b"Welcome!", ends.MARK[:-2], ends.MARK[:9] * 2, b"\n\n", b"x" * 5000, ends.MARK[1:]],
)
@pytest.mark.parametrize("answer", [b'{"paths": []}', b"", b"{}" * 100_000])
def test_what_is_behind_the_answer_is_left(greeting: bytes, answer: bytes) -> None:
    head = wire.HEAD.pack(wire.HELLO, len(answer))
    with saying(b"".join((greeting, ends.MARK, head, answer, BEHIND))) as fd:
        assert ends.answer_of(fd) == (greeting, answer)
        assert os.read(fd, 100) == BEHIND


@pytest.mark.parametrize(
    "text",
    [
        ends.MARK + wire.HEAD.pack(wire.LIST, 16) + bytes(16),
        ends.MARK + wire.HEAD.pack(99, 16) + bytes(16),
        ends.MARK + wire.HEAD.pack(wire.HELLO, wire.LIMITS[wire.HELLO] + 1),
        b"x" * (ends.MAX_GREETING + 100),
    ],
)
def test_what_is_no_answer(text: bytes) -> None:
    with saying(text) as fd, pytest.raises(HostileClient):
        ends.answer_of(fd)


def test_a_cut_answer() -> None:
    text = ends.MARK + wire.HEAD.pack(wire.HELLO, 9) + bytes(8)
    with saying(text) as fd:
        assert ends.answer_of(fd) == (text, None)


def test_an_answer_that_does_not_come(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ends, "ANSWER_SECONDS", 0.1)
    reads, writes = os.pipe()
    os.write(writes, ends.MARK)
    with os.fdopen(reads, "rb", 0), os.fdopen(writes, "wb", 0), pytest.raises(ConnectionLost):
        ends.answer_of(reads)
