"""The limit of the rate, by a clock of its own."""

from __future__ import annotations

import pytest

from borgpull.borg.inside.rate import BURST, Rate


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        assert seconds > 0
        self.now += seconds


def test_no_more_passes_than_the_limit_whatever_the_pieces() -> None:
    clock = Clock()
    rate = Rate(1000, clock, clock.sleep)
    for count in (1, 250, 49, 700, 9000):
        rate.took(count)
    assert clock.now - 100 == pytest.approx(10 - BURST)


def test_a_pause_earns_no_more_than_a_burst() -> None:
    clock = Clock()
    rate = Rate(1000, clock, clock.sleep)
    rate.took(5000)
    clock.now += 3600
    before = clock.now
    rate.took(5000)
    assert clock.now - before == pytest.approx(5 - BURST)


def test_one_read_is_no_more_than_a_burst() -> None:
    assert Rate(1000).piece == 1000 * BURST
    assert Rate(1).piece == 1
