"""Which files are hashed, within which bounds, and whose sum counts."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from itertools import chain
from typing import Any, NamedTuple

import pytest

from borgpull.borg.inside import wire
from borgpull.borg.inside.sample import Sample
from borgpull.borg.inside.wire import BadFrame, Stat
from borgpull.client.scripts.stream_look import STAT

OLD = 10**18
FILE = Stat(0o100644, 0, 0, 1, 1, 9, 5, OLD, OLD, 0)
SUM = b"s" * 32


class Channel:
    def __init__(self) -> None:
        self.asked: list[int] = []

    def ask(self, kind: int, number: int = 0) -> None:
        assert kind == wire.HASH
        self.asked.append(number)


def sample(*, every: int = 0, bare: int = 0, **more: Any) -> tuple[Sample, Channel]:
    plain = {"key": "00", "share": 1, "turn": 0, "largest": 100, "bytes": 100, "seconds": 9.0}
    channel: Any = Channel()
    return Sample(channel, {**plain, **more}, every, bare), channel


def answer(number: int, st: Stat, end: tuple[int, int]) -> list[tuple[int, bytes]]:
    begin = struct.pack("<IBi", number, 0, 0) + STAT.pack(*st) + bytes(4)
    return [
        (wire.BEGIN, begin),
        (wire.SUM, SUM),
        (wire.STOP, struct.pack("<BiqQ", 0, 0, *end)),
    ]


def test_each_file_has_its_turn_once() -> None:
    paths = [b"path %d" % number for number in range(500)]
    seen: list[int] = []
    for turn in range(30, 37):
        one, channel = sample(share=7, turn=turn)
        for number, path in enumerate(paths):
            one.see(number, path, FILE._replace(st_size=0), SUM)
        while len(one):
            one.send()
            for number in channel.asked[one.answers :]:
                one.take(wire.WHOLE, struct.pack("<IBi", number, 1, 2))
        assert 30 < len(channel.asked) < 120
        seen += channel.asked
    assert sorted(seen) == [*range(500)]


@pytest.mark.parametrize(
    ("now", "end", "counts"),
    [
        (FILE, (OLD, 5), True),
        (FILE._replace(st_ctime_ns=OLD + 1), (OLD + 1, 5), False),  # changed since it was listed
        (FILE, (OLD + 1, 5), False),  # and while it was read
        (FILE, (OLD, 6), False),
    ],
)
def test_a_sum_is_of_what_was_listed(now: Stat, end: tuple[int, int], counts: bool) -> None:
    one, _ = sample()
    one.see(3, b"a", FILE, b"")
    one.send()
    for frame in answer(3, now, end):
        one.take(*frame)
    assert one.sums == ({3: SUM} if counts else {})
    assert (len(one), one.answers, one.open_from) == (0, 1, None)


def test_bounds() -> None:
    one, channel = sample(bytes=12)
    for number, size in enumerate((5, 101, 8, 6)):
        one.see(number, b"a", FILE._replace(st_size=size), b"")
    one.send()
    assert channel.asked == [0, 3]  # one is too large, and another one for what is left
    late, channel = sample(seconds=-1.0)
    late.see(0, b"a", FILE, b"")
    late.send()
    assert (channel.asked, len(late)) == ([], 0)


class Run(NamedTuple):
    """What a run has asked for: numbers of files, and how many had no sum before."""

    asked: list[int]
    first: int


def runs(count: int, size: int, *, bound: int) -> Iterator[Run]:
    """Runs with the same files, in which each sum that was found is known afterwards."""
    known: dict[int, bytes] = {}
    total = bare = 0
    for turn in range(10_000):
        one, channel = sample(share=30, turn=turn, bytes=bound, every=total, bare=bare)
        for number in range(count):
            st = FILE._replace(st_size=size)
            one.see(number, b"path %d" % number, st, known.get(number, b""))
        while len(one):
            one.send()
            for number in channel.asked[one.answers :]:
                for frame in answer(number, st, (OLD, size)):
                    one.take(*frame)
        yield Run(channel.asked, len(one.sums.keys() - known.keys()))
        known |= one.sums
        total, bare = count * size, (count - len(known)) * size


def test_files_without_a_sum_come_first() -> None:
    """And some of the others all the same, in every run; the bound holds."""
    left, many = 1000, 0
    for number, run in zip(range(30), runs(1000, 5, bound=500), strict=False):
        assert len(run.asked) <= 100
        left -= run.first
        many += number > 0 and len(run.asked) > run.first
        if not left:
            break
    assert not left
    assert many > number / 2


def test_each_file_is_hashed_once_more() -> None:
    """In as many runs as a share has, and not many in each."""
    every = runs(1000, 5, bound=500)
    assert [next(every).first for _ in range(40)][-1] == 0
    asked = [next(every).asked for _ in range(30)]
    assert sorted(chain.from_iterable(asked)) == [*range(1000)]
    assert max(map(len, asked)) < 60


def test_of_a_large_client_a_smaller_share_is_hashed_once_more() -> None:
    """Else the bound would end each run before the last files."""
    *_, last = zip(range(150), runs(1000, 5, bound=100), strict=False)
    assert last[1].first == 0
    every = runs(1000, 5, bound=100)
    asked = [number for _, run in zip(range(250), every, strict=False) for number in run.asked]
    first, late = (sum(number // 250 == part for number in asked) for part in (0, 3))
    assert late > first / 2


def test_a_small_client_is_hashed_in_its_first_run() -> None:
    every = runs(50, 5, bound=500)
    assert sorted(next(every).asked) == [*range(50)]
    assert len(next(every).asked) < 10


def test_a_file_with_another_content_than_was_known() -> None:
    """What was read now counts, and is told."""
    one, _ = sample()
    for number, known in enumerate((b"k" * 32, SUM, b"")):
        one.see(number, b"path %d" % number, FILE, known)
        one.send()
        for frame in answer(number, FILE, (OLD, 5)):
            one.take(*frame)
    assert one.sums == dict.fromkeys(range(3), SUM)
    assert one.differs == [b"path 0"]


@pytest.mark.parametrize(
    "frames",
    [
        answer(4, FILE, (OLD, 5)),
        answer(3, FILE, (OLD, 5))[1:],
        [*answer(3, FILE, (OLD, 5))[:1], *answer(3, FILE, (OLD, 5))],
        [(wire.DATA, b"x")],
        answer(3, FILE, (OLD, 5)) * 2,
    ],
)
def test_what_was_not_asked_for(frames: list[tuple[int, bytes]]) -> None:
    one, _ = sample()
    one.see(3, b"a", FILE, b"")
    one.send()
    with pytest.raises(BadFrame):
        for frame in frames:
            one.take(*frame)
