"""Frames in, requests out."""

from __future__ import annotations

import os
import threading
import time
import zlib

import pytest

from borgpull.borg.inside import wire
from borgpull.borg.inside.channel import TINY, Ended, _add
from borgpull.borg.inside.lanes import PIECE
from borgpull.borg.inside.rate import Rate
from borgpull.borg.inside.wire import BadFrame
from tests.support.evil_helper import frame
from tests.support.pipes import piped
from tests.support.slots import slots_of


def test_frames_come_whole_in_whatever_pieces() -> None:
    text = frame(wire.DATA, bytes(70_000)) + frame(wire.ZEROS, b"1234") + frame(wire.BYE)
    with piped() as pipes:
        channel = pipes.channel

        def write() -> None:
            for at in range(0, len(text), 999):
                pipes.write(text[at : at + 999])
            pipes.end()

        # More than a pipe holds: the other side reads nothing before it has written all.
        for number in range(40_000):
            channel.ask(wire.READ, number)
        writer = threading.Thread(target=write)
        writer.start()
        channel.push()
        assert [len(channel.frame()[1]) for _ in range(3)] == [70_000, 4, 0]
        writer.join()
        assert channel.received == len(text)
        with pytest.raises(Ended):
            channel.frame()


def test_answers_that_are_as_expected_come_at_once() -> None:
    slots, frames = slots_of([3, 0, 700, 5, 9])
    plain = b"".join(frames)
    with piped() as pipes:
        channel = pipes.channel
        pipes.write(plain[:-1])
        assert channel.answers(slots) == [b"000", b"", b"2" * 700, b"33333"]
        pipes.write(plain[-1:] + plain)
        assert channel.answers(slots[4:]) == [b"444444444"]  # it is waited for
        assert channel.answers(slots[1:]) == []  # it is another one's turn
        assert channel.answers([slots[0], slots[2]]) == [b"000"]
        slots[1].answer = b""
        assert channel.answers(slots[1:]) == []
        assert channel.frame() == (wire.WHOLE, frames[1][wire.HEAD.size :])
        assert len(channel.answers(slots[2:])) == 3
        packed = len(plain).to_bytes(4, "little") + zlib.compress(plain)
        pipes.write(frame(wire.PACKED, packed) + frame(wire.BYE))
        assert channel.answers(slots) == []  # nobody has looked into it yet
        assert channel.frame() == (wire.WHOLE, frames[0][wire.HEAD.size :])
        assert channel.frame() == (wire.WHOLE, frames[1][wire.HEAD.size :])
        assert len(channel.answers(slots[2:])) == 3
        assert channel.answers(slots) == []
        assert channel.frame() == (wire.BYE, b"")


def test_a_frame_has_come_if_nobody_need_wait_for_it() -> None:
    text = frame(wire.DATA, b"content")
    with piped() as pipes:
        channel = pipes.channel
        assert not channel.has_frame()
        for piece in (text[:3], text[3:-1]):
            pipes.write(piece)
            assert not channel.has_frame()
        pipes.write(text[-1:])
        assert channel.has_frame()
        assert channel.received == len(text)
        pipes.end()
        assert channel.frame() == (wire.DATA, b"content")
        assert not channel.has_frame()  # the end is no frame
        with pytest.raises(Ended):
            channel.frame()


def test_what_has_come_is_not_taken_under_a_limit_of_the_rate() -> None:
    with piped() as pipes:
        pipes.channel.rate = Rate(1)
        pipes.write(frame(wire.DATA, b"content"))
        assert not pipes.channel.has_frame()
        assert pipes.channel.received == 0


def test_a_large_frame_is_not_taken_before_its_turn() -> None:
    text = frame(wire.HELLO, bytes(4 * PIECE))
    with piped() as pipes:
        channel = pipes.channel
        writer = threading.Thread(target=pipes.write, args=(text,))
        writer.start()
        more = 20
        while more:
            assert not channel.has_frame()
            assert channel.received <= 2 * PIECE
            more -= channel.received > PIECE
            time.sleep(0.002)
        assert channel.frame() == (wire.HELLO, bytes(4 * PIECE))
        writer.join()


def test_what_has_come_is_taken_at_any_time() -> None:
    text = frame(wire.DATA, b"content")
    with piped() as pipes:
        channel = pipes.channel
        channel.drain()  # nothing has come, and nobody waits
        for piece in (text[:3], text[3:] + text, text):
            pipes.write(piece)
            channel.drain()
        assert (channel.received, channel.come) == (3 * len(text),) * 2
        pipes.end()
        for _ in range(3):
            channel.drain()
        assert channel.has_frame()
        assert [channel.frame() for _ in range(3)] == [(wire.DATA, b"content")] * 3
        assert channel.come == 0
        with pytest.raises(Ended):
            channel.frame()


def test_no_more_is_drained_than_there_is_room_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("borgpull.borg.inside.channel.AHEAD", 100)
    monkeypatch.setattr("borgpull.borg.inside.channel.PIECE", 60)
    text = frame(wire.DATA, bytes(300))
    with piped() as pipes:
        pipes.write(text)
        pipes.channel.drain()
        assert pipes.channel.come == 120
        assert pipes.channel.frame() == (wire.DATA, bytes(300))


def test_what_is_here_is_taken_though_requests_cannot_be_sent() -> None:
    """Whoever waits for the other side to read, while it waits for nothing, waits for ever."""
    with piped() as pipes:
        channel = pipes.channel
        for number in range(40_000):
            channel.ask(wire.READ, number)
        channel.push()
        pipes.write(frame(wire.DATA, b"content"))
        channel.drain()
        assert channel.frame() == (wire.DATA, b"content")


def test_draining_sends_what_is_unsent() -> None:
    """With so much content that nobody waits for more, nothing else would send it."""
    with piped() as pipes:
        channel, sent = pipes.channel, 0
        for number in range(40_000):
            channel.ask(wire.READ, number)
        channel.push()
        while sent < 40_000 * wire.REQUEST.size:
            sent += len(os.read(pipes.requests, 1 << 20))
            channel.drain()
        assert not channel._unsent


def test_tiny_pieces_are_no_burden() -> None:
    """Python keeps a KiB or more for each byte that comes alone."""
    text = os.urandom(5 * TINY)
    pieces = [b"before"]
    for at in range(len(text)):
        _add(pieces, text[at : at + 1])
    for piece in (bytes(TINY), b"", b"end"):
        _add(pieces, piece)
    assert b"".join(pieces) == b"before" + text + bytes(TINY) + b"end"
    assert len(pieces) <= 5 + 4
    assert all(len(piece) <= TINY for piece in pieces)


@pytest.mark.parametrize("why", ["rate", "lanes"])
def test_nothing_is_drained_if_that_would_be_wrong(why: str) -> None:
    with piped() as pipes:
        channel = pipes.channel
        channel.rate = Rate(1000) if why == "rate" else None
        channel.lanes.asked = why == "lanes"
        pipes.write(frame(wire.DATA))
        channel.drain()
        assert channel.received == 0


@pytest.mark.parametrize("at", range(wire.HEAD.size, 5 + 9 + 64 + 4 + 21))
def test_an_answer_that_differs_in_a_byte_is_not_as_expected(at: int) -> None:
    slots, frames = slots_of([3])
    text = bytearray(frames[0])
    text[at] ^= 1
    with piped() as pipes:
        pipes.write(bytes(text))
        assert pipes.channel.answers(slots) == []


def test_a_frame_that_is_too_long_is_not_waited_for() -> None:
    with piped() as pipes:
        pipes.write(wire.HEAD.pack(wire.DATA, wire.MAX_BLOCK + 1))
        with pytest.raises(BadFrame):
            pipes.channel.frame()
