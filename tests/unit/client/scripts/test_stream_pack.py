"""What the helper packs, by a link whose time is ours."""

from __future__ import annotations

import os
import zlib

import pytest

from borgpull.borg.inside import wire
from borgpull.borg.inside.packed import Packed
from borgpull.client.scripts import stream_pack
from borgpull.client.scripts.stream_look import out
from borgpull.client.scripts.stream_pack import Packing
from tests.support.evil_helper import frame

MIB = 1 << 20
SHRINKS = frame(wire.DATA, (b"%06d some words of a log\n" * 9000) % tuple(range(9000)))
RANDOM = frame(wire.DATA, os.urandom(256 << 10))


class Link:
    """A clock that only what is sent, and zlib, move on: each byte takes its time."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, rate: float, speed: float) -> None:
        """In bytes a second."""
        self.now, self.rate, self.speed = 0.0, rate, speed
        self.carried = self.packed = self.frames = 0
        self.buffer = 0.0  # bytes that are not carried yet
        monkeypatch.setattr(stream_pack, "time", self)
        monkeypatch.setattr(stream_pack, "zlib", self)
        monkeypatch.setattr(out, "write", self.write)

    def monotonic(self) -> float:
        return self.now

    def passes(self, seconds: float) -> None:
        self.now += seconds
        self.buffer = max(0.0, self.buffer - seconds * self.rate)

    def compress(self, data: bytes, level: int) -> bytes:
        self.passes(len(data) / self.speed)
        return zlib.compress(data, level)

    def write(self, block: bytes) -> None:
        self.carried += len(block)
        self.frames += 1
        self.packed += block[0] == wire.PACKED
        self.buffer += len(block)
        if self.buffer > 2 * MIB:  # of ssh and the kernel
            self.passes((self.buffer - 2 * MIB) / self.rate)


def sent(link: Link, blocks: int, block: bytes, packing: Packing | None = None) -> float:
    """Which part of the blocks was packed."""
    packing = packing or Packing(False)
    before = link.packed
    for _ in range(blocks):
        packing.send(block)
    return (link.packed - before) / blocks


def test_a_slow_link_gets_it_packed_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    link = Link(monkeypatch, MIB, 60 * MIB)
    assert sent(link, 400, SHRINKS) > 0.9
    assert link.carried < 0.5 * 400 * len(SHRINKS)


def test_a_first_look_that_took_long_does_not_count_for_ever(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    link, packing = Link(monkeypatch, 4 * MIB, MIB / 8), Packing(False)
    sent(link, 20, SHRINKS, packing)
    link.speed = 60 * MIB
    assert packing.least > 0
    assert sent(link, 400, SHRINKS, packing) > 0.7


def test_what_does_not_shrink_is_seldom_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    looks: list[bytes] = []
    look = stream_pack.sample

    def sample(block: bytes) -> tuple[bool, float]:
        looks.append(block)
        return look(block)

    monkeypatch.setattr(stream_pack, "sample", sample)
    sent(Link(monkeypatch, 100 * MIB, 60 * MIB), 2000, RANDOM)
    assert 1 <= len(looks) <= 2000 // 4 // 16 + 1


def test_a_fast_link_gets_it_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    link = Link(monkeypatch, 100 * MIB, 60 * MIB)
    assert sent(link, 2000, SHRINKS) == 0


@pytest.mark.parametrize("always", [True, False])
def test_what_does_not_shrink_is_never_packed(
    monkeypatch: pytest.MonkeyPatch, always: bool
) -> None:
    link = Link(monkeypatch, MIB, 60 * MIB)
    assert sent(link, 100, RANDOM, Packing(always)) == 0
    assert link.carried == 100 * len(RANDOM)


def test_a_link_that_becomes_fast_gets_it_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    link, packing = Link(monkeypatch, MIB, 60 * MIB), Packing(False)
    sent(link, 400, SHRINKS, packing)
    link.rate = 1000 * MIB
    assert sent(link, 1000, SHRINKS, packing) < 0.3
    link.rate = MIB
    assert sent(link, 400, SHRINKS, packing) > 0.9


def test_where_the_engine_is_slow_nothing_is_packed_for_long(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It takes as long for packed frames as for plain ones."""
    link = Link(monkeypatch, 10 * MIB, 60 * MIB)
    plain = link.write

    def write(block: bytes) -> None:
        plain(block)
        if block[0] == wire.PACKED:
            link.passes((len(SHRINKS) - len(block)) / link.rate)

    monkeypatch.setattr(out, "write", write)
    assert sent(link, 8000, SHRINKS) < 0.25


def test_what_is_packed_is_what_the_server_unpacks() -> None:
    text = stream_pack.shrunk(SHRINKS * 4)
    kind, length = wire.head(text)
    assert (kind, length) == (wire.PACKED, len(text) - wire.HEAD.size)
    found = Packed(text[wire.HEAD.size :])
    for _ in range(4):
        one = found.frame()
        assert one is not None
        assert frame(*one) == SHRINKS
    assert found.frame() is None
    large = bytes(wire.MAX_PACKED + 1)
    assert stream_pack.shrunk(large) is large
    assert stream_pack.LARGEST <= wire.MAX_PACKED
