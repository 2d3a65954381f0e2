"""The listing for a manifest: the reader learns how far this side is."""

from __future__ import annotations

from typing import Any

import pytest

from borgpull.borg.inside import wire
from borgpull.borg.inside.listing import DONE_EVERY, Listing


class Channel:
    """It has more frames, or none."""

    def __init__(self, *, more: bool) -> None:
        self.more, self.asked = more, list[tuple[int, ...]]()

    def has_frame(self) -> bool:
        return self.more

    def ask(self, *words: int) -> None:
        self.asked.append(words)

    def push(self) -> None:
        pass


@pytest.mark.parametrize(
    ("count", "more", "told"),
    [(5, True, False), (5, False, True), (DONE_EVERY, True, True), (0, False, False)],
)
def test_a_reader_that_may_wait_is_told_at_once(count: int, more: bool, told: bool) -> None:
    """It stops after few entries, if they have many bytes."""
    channel: Any = Channel(more=more)
    listing = Listing.__new__(Listing)
    listing._channel, listing._count, listing._done, listing.sample = channel, count, 0, None
    listing._ask()
    assert channel.asked == ([(wire.DONE, count)] if told else [])
