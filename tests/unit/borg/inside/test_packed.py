"""Frames that come packed: nothing that is said of them is believed."""

from __future__ import annotations

import zlib

import pytest

from borgpull.borg.inside import wire
from borgpull.borg.inside.channel import Ended
from borgpull.borg.inside.packed import Packed
from borgpull.borg.inside.wire import BadFrame
from tests.support.evil_helper import frame
from tests.support.pipes import piped

FRAMES = frame(wire.DATA, bytes(70_000)) + frame(wire.BYE, b"x" * 16)


def content(text: bytes, length: int | None = None, packed: bytes | None = None) -> bytes:
    """Of a PACKED frame, whose length may be a lie."""
    size = len(text) if length is None else length
    return size.to_bytes(4, "little") + (zlib.compress(text, 1) if packed is None else packed)


def all_of(text: bytes) -> list[tuple[int, int]]:
    packed, found = Packed(text), list[tuple[int, int]]()
    while (one := packed.frame()) is not None:
        found.append((one[0], len(one[1])))
    return found


def test_packed_frames_are_as_plain_ones() -> None:
    assert all_of(content(FRAMES)) == [(wire.DATA, 70_000), (wire.BYE, 16)]
    most = frame(wire.DATA, bytes(wire.MAX_BLOCK)) * 7
    most += frame(wire.DATA, bytes(wire.MAX_PACKED - len(most) - wire.HEAD.size))
    assert len(all_of(content(most))) == 8


def test_the_channel_takes_both_and_counts_what_the_link_has_carried() -> None:
    text = frame(wire.PACKED, content(FRAMES)) + frame(wire.ZEROS, b"1234")
    text += frame(wire.PACKED, content(FRAMES))
    with piped() as pipes:
        pipes.write(text)
        pipes.end()
        channel = pipes.channel
        kinds = [(channel.frame()[0], channel.has_frame()) for _ in range(5)]
        assert [kind for kind, _ in kinds] == [wire.DATA, wire.BYE, wire.ZEROS, wire.DATA, wire.BYE]
        assert [more for _, more in kinds] == [True, True, True, True, False]
        assert channel.received == len(text) < 1000
        with pytest.raises(Ended):
            channel.frame()


def test_a_cut_stream_is_no_end() -> None:
    with piped() as pipes:
        pipes.write(frame(wire.PACKED, content(FRAMES))[:-1])
        pipes.end()
        with pytest.raises(Ended):
            pipes.channel.frame()


BOMB = zlib.compress(bytes(64 << 20), 9)


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"\1\0",
        content(b""),
        content(FRAMES, 0),
        content(FRAMES, wire.HEAD.size - 1),
        content(FRAMES, len(FRAMES) - 1),
        content(FRAMES, len(FRAMES) + 1),
        content(FRAMES, wire.MAX_PACKED + 1),
        content(FRAMES, (1 << 32) - 1),
        content(FRAMES) + b"x",
        content(FRAMES)[:-1],
        content(FRAMES, None, FRAMES),
        content(FRAMES, None, b""),
        content(b"", wire.MAX_PACKED, BOMB),
        content(b"", 100, BOMB),
        content(FRAMES + b"x"),
        content(FRAMES[:-1]),
        content(wire.HEAD.pack(99, 1) + b"x"),
        content(wire.HEAD.pack(wire.DATA, wire.MAX_BLOCK + 1) + bytes(wire.MAX_BLOCK + 1)),
        content(frame(wire.PACKED, content(FRAMES))),
    ],
    ids=lambda text: f"{len(text)}-{zlib.crc32(text):x}",
)
def test_lies(text: bytes) -> None:
    with pytest.raises(BadFrame):
        all_of(text)


def test_a_bomb_is_not_unpacked() -> None:
    unpacked = wire.unpacked(zlib.compress(bytes(1000), 9), 1000)
    assert len(unpacked) == 1000
    with pytest.raises(BadFrame):
        wire.unpacked(BOMB, 1000)
