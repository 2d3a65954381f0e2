"""Frames in, requests out."""

from __future__ import annotations

import os
import threading

import pytest

from borgpull.borg.inside import wire
from borgpull.borg.inside.channel import Channel, Ended
from borgpull.borg.inside.wire import BadFrame
from tests.support.evil_helper import frame


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


def test_a_frame_that_is_too_long_is_not_waited_for() -> None:
    answers, feed = os.pipe()
    drain, requests = os.pipe()
    os.write(feed, wire.HEAD.pack(wire.DATA, wire.MAX_BLOCK + 1))
    with pytest.raises(BadFrame):
        Channel(answers, requests).frame()
    for fd in (answers, feed, drain, requests):
        os.close(fd)
