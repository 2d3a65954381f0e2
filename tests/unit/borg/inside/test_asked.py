"""How many files are asked for at a time."""

from __future__ import annotations

import os

from borgpull.borg.inside import wire
from borgpull.borg.inside.asked import MAX_ASKED, MAX_ASKED_BYTES, Asked
from borgpull.borg.inside.channel import Channel
from borgpull.borg.inside.extras import NO_EXTRA
from borgpull.borg.inside.slots import ASKED, Slot
from borgpull.borg.inside.wire import Stat

BELOW = MAX_ASKED_BYTES // 8


def slot(number: int, size: int) -> Slot:
    stat = Stat._make([0] * len(Stat._fields))._replace(st_size=size)
    return Slot(number, str(number), stat, NO_EXTRA, ASKED)


class Wanting:
    """An `Asked`, and what it has sent."""

    def __init__(self, *sizes: int) -> None:
        self._answers, self._requests = os.pipe(), os.pipe()
        self._channel = Channel(self._answers[0], self._requests[1])
        self.asked = Asked(self._channel)
        self.asked.extend(slot(number, size) for number, size in enumerate(sizes))

    def sent(self) -> list[int]:
        """The numbers that are asked for now."""
        self.asked.send()
        self._channel.push()
        os.set_blocking(self._requests[0], False)
        try:
            text = os.read(self._requests[0], 1 << 20)
        except BlockingIOError:
            return []
        assert {kind for kind, _ in wire.REQUEST.iter_unpack(text)} == {wire.READ}
        return [number for _, number in wire.REQUEST.iter_unpack(text)]

    def close(self) -> None:
        for handle in (*self._answers, *self._requests):
            os.close(handle)


def test_while_a_large_file_comes_the_next_one_is_asked_for() -> None:
    it = Wanting(MAX_ASKED_BYTES * 100, MAX_ASKED_BYTES * 100, 5, 5)
    assert it.sent() == [0, 1]
    it.asked.answered(0)
    assert it.sent() == [2, 3]
    it.close()


def test_bytes_behind_the_first_file_are_bounded() -> None:
    it = Wanting(*[BELOW] * 20)
    assert it.sent() == [*range(9)]
    it.asked.answered(0)
    it.asked.answered(1)
    assert it.sent() == [9, 10]
    it.close()


def test_files_are_bounded_however_small_they_are() -> None:
    it = Wanting(*[0] * (MAX_ASKED + 5))
    assert it.sent() == [*range(MAX_ASKED)]
    assert it.sent() == []
    it.close()
