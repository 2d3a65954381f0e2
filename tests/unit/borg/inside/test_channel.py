"""Frames in, requests out."""

from __future__ import annotations

import os
import struct
import threading
import time
import zlib

import pytest

from borgpull.borg.inside import wire
from borgpull.borg.inside.channel import Channel, Ended
from borgpull.borg.inside.lanes import PIECE
from borgpull.borg.inside.rate import Rate
from borgpull.borg.inside.wire import BadFrame
from tests.support.evil_helper import frame
from tests.support.slots import slots_of

STAT = struct.Struct("<IIIIQQQqqQ")


def test_frames_come_whole_in_whatever_pieces() -> None:
    answers, feed = os.pipe()
    drain, requests = os.pipe()
    channel = Channel(answers, requests)
    text = frame(wire.DATA, bytes(70_000)) + frame(wire.ZEROS, b"1234") + frame(wire.BYE)

    def write() -> None:
        for at in range(0, len(text), 999):
            os.write(feed, text[at : at + 999])
        os.close(feed)

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
    for fd in (answers, drain, requests):
        os.close(fd)


def test_answers_that_are_as_expected_come_at_once() -> None:
    answers, feed = os.pipe()
    drain, requests = os.pipe()
    channel = Channel(answers, requests)
    slots, frames = slots_of([3, 0, 700, 5, 9])
    plain = b"".join(frames)
    os.write(feed, plain[:-1])
    assert channel.answers(slots) == [b"000", b"", b"2" * 700, b"33333"]
    os.write(feed, plain[-1:] + plain)
    assert channel.answers(slots[4:]) == [b"444444444"]  # it is waited for
    assert channel.answers(slots[1:]) == []  # it is another one's turn
    assert channel.answers([slots[0], slots[2]]) == [b"000"]
    slots[1].answer = b""
    assert channel.answers(slots[1:]) == []
    assert channel.frame() == (wire.WHOLE, frames[1][wire.HEAD.size :])
    assert len(channel.answers(slots[2:])) == 3
    packed = len(plain).to_bytes(4, "little") + zlib.compress(plain)
    os.write(feed, frame(wire.PACKED, packed) + frame(wire.BYE))
    assert channel.answers(slots) == []  # nobody has looked into it yet
    assert channel.frame() == (wire.WHOLE, frames[0][wire.HEAD.size :])
    assert channel.frame() == (wire.WHOLE, frames[1][wire.HEAD.size :])
    assert len(channel.answers(slots[2:])) == 3
    assert channel.answers(slots) == []
    assert channel.frame() == (wire.BYE, b"")
    for fd in (answers, feed, drain, requests):
        os.close(fd)


def test_a_frame_has_come_if_nobody_need_wait_for_it() -> None:
    answers, feed = os.pipe()
    drain, requests = os.pipe()
    channel = Channel(answers, requests)
    assert not channel.has_frame()
    text = frame(wire.DATA, b"content")
    for piece in (text[:3], text[3:-1]):
        os.write(feed, piece)
        assert not channel.has_frame()
    os.write(feed, text[-1:])
    assert channel.has_frame()
    assert channel.received == len(text)
    os.close(feed)
    assert channel.frame() == (wire.DATA, b"content")
    assert not channel.has_frame()  # the end is no frame
    with pytest.raises(Ended):
        channel.frame()
    for fd in (answers, drain, requests):
        os.close(fd)


def test_what_has_come_is_not_taken_under_a_limit_of_the_rate() -> None:
    answers, feed = os.pipe()
    drain, requests = os.pipe()
    channel = Channel(answers, requests)
    channel.rate = Rate(1)
    os.write(feed, frame(wire.DATA, b"content"))
    assert not channel.has_frame()
    assert channel.received == 0
    for fd in (answers, feed, drain, requests):
        os.close(fd)


def test_a_large_frame_is_not_taken_before_its_turn() -> None:
    answers, feed = os.pipe()
    drain, requests = os.pipe()
    channel = Channel(answers, requests)
    text = frame(wire.HELLO, bytes(4 * PIECE))

    def write() -> None:
        os.write(feed, text)
        os.close(feed)

    writer = threading.Thread(target=write)
    writer.start()
    more = 20
    while more:
        assert not channel.has_frame()
        assert channel.received <= 2 * PIECE
        more -= channel.received > PIECE
        time.sleep(0.002)
    assert channel.frame() == (wire.HELLO, bytes(4 * PIECE))
    writer.join()
    for fd in (answers, drain, requests):
        os.close(fd)


@pytest.mark.parametrize("at", range(wire.HEAD.size, 5 + 9 + 64 + 4 + 21))
def test_an_answer_that_differs_in_a_byte_is_not_as_expected(at: int) -> None:
    answers, feed = os.pipe()
    drain, requests = os.pipe()
    slots, frames = slots_of([3])
    text = bytearray(frames[0])
    text[at] ^= 1
    os.write(feed, text)
    assert Channel(answers, requests).answers(slots) == []
    for fd in (answers, feed, drain, requests):
        os.close(fd)


def test_a_frame_that_is_too_long_is_not_waited_for() -> None:
    answers, feed = os.pipe()
    drain, requests = os.pipe()
    os.write(feed, wire.HEAD.pack(wire.DATA, wire.MAX_BLOCK + 1))
    with pytest.raises(BadFrame):
        Channel(answers, requests).frame()
    for fd in (answers, feed, drain, requests):
        os.close(fd)
