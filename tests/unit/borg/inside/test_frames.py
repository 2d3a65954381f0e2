"""What is taken before its turn, and what is not."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from hashlib import sha256
from threading import Event, Thread
from types import SimpleNamespace
from typing import Any

import pytest

from borgpull.borg.inside import frames as those
from borgpull.borg.inside import wire
from borgpull.borg.inside.ahead import WORTH, Hasher
from borgpull.borg.inside.asked import Asked
from borgpull.borg.inside.channel import Ended
from borgpull.borg.inside.content import SHORT
from borgpull.borg.inside.frames import AT_ONCE, OLD_CHUNKS, SEVERAL, Frames
from borgpull.borg.inside.slots import Slot
from borgpull.borg.inside.wire import BadFrame
from tests.support.evil_helper import frame
from tests.support.pipes import Pipes
from tests.support.slots import slots_of

HASH_IT = WORTH + 1  # bytes of a file that a thread hashes


class Way(Pipes):
    """What is asked for, too, and a thread whose hashes wait for `go`."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = Asked(self.channel)
        self.go = Event()
        self.begun: list[bytes] = []
        self.has_come = True
        self.first = 0  # the number of the first large file

    def id_hash(self, data: bytes) -> bytes:
        assert self.go.wait(60)
        return sha256(data).digest()

    def begin(self, content: bytes) -> tuple[Slot, Any]:
        self.begun.append(content)
        reader = SimpleNamespace(size=1)
        chunks = SimpleNamespace(hashed=self.go.is_set)
        large: Any = SimpleNamespace(reader=reader, chunks=chunks, has_come=self.has_come)
        return self.asked.answered(self.first + len(self.begun) - 1), large

    def frames(self, *, hashes: bool = True) -> Frames:
        hasher = Hasher(self.id_hash) if hashes else None
        return Frames(self.channel, self.asked, hasher, self.begin)

    def want(self, slots: list[Slot]) -> None:
        self.asked.extend(slots)
        self.asked.send()

    def come(self) -> int:
        """Bytes that have been drained."""
        self.channel.drain()
        return self.channel.come

    def unread(self) -> int:
        """Frames of DATA that were not taken."""
        count = 0
        while self.channel.has_frame():
            count += self.channel.frame()[0] == wire.DATA
        return count


@pytest.fixture
def way() -> Iterator[Way]:
    with contextlib.closing(Way()) as found:
        yield found
        found.go.set()


def test_files_are_taken_while_the_first_one_is_hashed(way: Way) -> None:
    slots, texts = slots_of([HASH_IT, 3, HASH_IT])
    slots[1].answer = b""  # it needs a second look
    way.want(slots)
    frames = way.frames()
    way.write(b"".join(texts) + frame(wire.DATA, b"behind"))
    first = frames.frame()
    assert (first.kind, first.hashed()) == (SEVERAL, False)
    assert len(way.asked) == 0  # all were taken
    way.go.set()
    assert first.soon is not None
    assert first.soon.result()[0][1] == sha256(b"0" * HASH_IT).digest()
    second, third = frames.frame(), frames.frame()
    assert (second.kind, second.content[0], second.content[3]) == (wire.WHOLE, slots[1], b"111")
    assert (third.kind, third.content) == (SEVERAL, ([slots[2]], [b"2" * HASH_IT]))
    assert frames.frame()[:2] == (wire.DATA, b"behind")


@pytest.mark.parametrize(("size", "taken"), [(3, False), (HASH_IT, True)])
def test_the_next_one_is_taken_if_a_thread_hashes_it(way: Way, size: int, *, taken: bool) -> None:
    """It has something to do then. Else nothing is taken once the first one is hashed."""
    slots, texts = slots_of([3, size, HASH_IT])
    for slot in slots:
        slot.answer = b""
    way.want(slots)
    way.write(b"".join(texts[:2]))
    frames = way.frames()
    assert frames.frame().hashed()
    assert len(way.asked) == 2
    way.write(texts[2])
    assert not frames.frame().hashed() if taken else frames.frame().hashed()
    assert len(way.asked) == (0 if taken else 1)


@pytest.mark.parametrize(
    ("size", "come", "taken"),
    [
        (wire.SMALL + 1, wire.SMALL, False),
        (wire.SMALL + 1, wire.SMALL + 1, True),
        (SHORT + 1, SHORT - 1, False),
        (SHORT + 1, SHORT, True),
    ],
)
def test_a_large_file_is_begun_early_if_it_is_here(
    way: Way, size: int, come: int, *, taken: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("borgpull.borg.inside.channel.AHEAD", SHORT)
    slots, texts = slots_of([HASH_IT, HASH_IT, size])
    for slot in slots:
        slot.answer = b""
    way.want(slots)
    way.write(b"".join(texts[:2]))
    frames = way.frames()
    assert not frames.frame().hashed()
    way.go.set()
    soon = frames._next[0].soon
    assert soon is not None
    soon.result()  # so it need not be waited for
    way.first, begin = 2, frame(wire.BEGIN, b"head")
    text = begin + frame(wire.DATA, bytes(wire.SMALL)) * 20
    writer = Thread(target=way.write, args=(text[:come],))
    writer.start()
    while way.come() < come:
        time.sleep(0.001)
    assert frames.frame().content[0] is slots[1]
    assert way.begun == ([b"head"] if taken else [])
    writer.join()


def test_behind_a_large_file_the_next_one_is_taken_though_all_is_hashed(way: Way) -> None:
    slots, texts = slots_of([0, HASH_IT, HASH_IT])
    for slot in slots:
        slot.answer = b""
    way.want(slots)
    way.go.set()
    way.write(frame(wire.BEGIN, b"head") + b"".join(texts[1:]))
    assert way.frames().frame().hashed()
    assert len(way.asked) == 0


def test_what_has_come_is_drained_at_each_frame(way: Way) -> None:
    way.write(frame(wire.NAME) + frame(wire.NAME))
    frames = way.frames()
    assert frames.frame().kind == wire.NAME
    way.write(frame(wire.LISTED))
    assert frames.frame().kind == wire.NAME
    assert way.channel.come == wire.HEAD.size


@pytest.mark.parametrize("bound", ["FILES", "BYTES"])
def test_no_more_is_taken_than_there_is_room_for(
    way: Way, bound: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    count = AT_ONCE + 2
    slots, texts = slots_of([1000] * count)
    monkeypatch.setattr(those, bound, {"FILES": AT_ONCE, "BYTES": 1000 * AT_ONCE}[bound])
    monkeypatch.setattr("borgpull.borg.inside.ahead.AVERAGE", 1)
    way.want(slots)
    way.write(b"".join(texts))
    frames = way.frames()
    assert frames.frame().files == AT_ONCE
    assert len(way.asked) == 2
    assert frames.frame().files == 2


def test_there_is_room_again_for_what_was_dealt_with(
    way: Way, monkeypatch: pytest.MonkeyPatch
) -> None:
    slots, texts = slots_of([1000] * (4 * AT_ONCE))
    monkeypatch.setattr(those, "FILES", AT_ONCE + 1)
    monkeypatch.setattr("borgpull.borg.inside.ahead.AVERAGE", 1)
    way.want(slots)
    way.write(b"".join(texts))
    frames, left = way.frames(), []
    for _ in range(4):
        assert frames.frame().files == AT_ONCE
        left.append(len(way.asked) // AT_ONCE)
    assert left == [2, 1, 0, 0]


@pytest.mark.parametrize(
    ("has_come", "old", "taken"),
    [(True, 0, True), (False, 0, False), (True, OLD_CHUNKS, True), (True, OLD_CHUNKS + 1, False)],
)
def test_a_frame_behind_a_large_file_is_taken_if_all_of_it_is_here(
    way: Way, *, has_come: bool, old: int, taken: bool
) -> None:
    slots, texts = slots_of([0, HASH_IT])
    slots[0].base = [b"id"] * old
    way.has_come = has_come
    way.want(slots)
    way.write(frame(wire.BEGIN, b"head") + texts[1] + frame(wire.DATA))
    found = way.frames().frame()
    assert (found.kind, found.content[0], way.begun) == (wire.BEGIN, slots[0], [b"head"])
    assert len(way.asked) == (0 if taken else 1)
    assert way.unread() == (0 if taken else 1)


@pytest.mark.parametrize("hashes", [True, False])
def test_a_file_that_nobody_has_asked_for_is_a_bad_frame(way: Way, *, hashes: bool) -> None:
    way.write(slots_of([3])[1][0])
    with pytest.raises(BadFrame):
        way.frames(hashes=hashes).frame()


def test_the_end_of_the_channel_comes_after_all_that_has_come(way: Way) -> None:
    slots, texts = slots_of([HASH_IT, 3])
    way.want(slots)
    way.write(b"".join(texts))
    way.end()
    frames = way.frames()
    assert frames.frame().files == 2
    with pytest.raises(Ended):
        frames.frame()
