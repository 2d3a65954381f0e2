"""A server that says nothing, or what nobody has asked for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import IO

import pytest

from borgpull.process import pipe
from borgpull.readers.child import BadAnswer, Ended
from borgpull.readers.sftp import link as links
from borgpull.readers.sftp import packets
from borgpull.readers.sftp.link import Link

VERSION = b"\0\0\0\5\2\0\0\0\3"
LOOKED = b"\0\0\0\x09\x65\0\0\0\1\0\0\0\2"  # "no such file", to the first question


@pytest.fixture
def ends() -> Iterator[tuple[Link, IO[bytes]]]:
    with pipe() as (reader, server), pipe() as (_, writer):
        yield Link(reader.fileno(), writer.fileno()), server


def test_silence_has_an_end(ends: tuple[Link, IO[bytes]], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(links, "IDLE_SECONDS", 0.05)
    with pytest.raises(Ended, match="says nothing"):
        ends[0].hello()


def test_an_answer_comes_in_pieces(ends: tuple[Link, IO[bytes]]) -> None:
    link, server = ends
    server.write(VERSION[:3])
    link._receive()
    server.write(VERSION[3:] + LOOKED[:1])
    link.hello()
    server.write(LOOKED[1:])
    assert link.call(packets.LSTAT, packets.text(b"/x"), packets.ATTRS) == (2, b"")


@pytest.mark.parametrize("said", [LOOKED, VERSION, b"Last login: now", b"\0\0\0\1\0"])
def test_what_nobody_has_asked_for(ends: tuple[Link, IO[bytes]], said: bytes) -> None:
    link, server = ends
    server.write(VERSION + said)
    with pytest.raises(BadAnswer):
        link.hello()


def test_two_answers_to_one_question(ends: tuple[Link, IO[bytes]]) -> None:
    link, server = ends
    server.write(VERSION)
    link.hello()
    server.write(LOOKED + LOOKED)
    with pytest.raises(BadAnswer, match="no question"):
        link.call(packets.LSTAT, packets.text(b"/x"), packets.ATTRS)


def test_the_server_has_gone(ends: tuple[Link, IO[bytes]]) -> None:
    ends[1].close()
    with pytest.raises(Ended, match="has ended"):
        ends[0].hello()
