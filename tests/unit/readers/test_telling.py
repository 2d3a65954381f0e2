"""How far ahead a reader lists: the engine holds so much, and no more."""

from __future__ import annotations

from borgpull.borg.inside.slots import MAX_QUEUE, MAX_QUEUED
from borgpull.client.scripts.stream_look import Output
from borgpull.readers.telling import Telling


def test_long_paths_are_listed_less_far_ahead() -> None:
    telling: Telling[None] = Telling(Output(lambda _: None), ({}, {}))
    for path in (b"/" + b"long" * 1000, b"/short"):
        begun = telling.done
        while telling.may_list:
            telling.entry(1, path, b"name", bytes(64), b"more")
        ahead = telling.listed - begun
        assert ahead < MAX_QUEUE
        # A shell's find may tell 1,024 more, of the longest paths.
        assert ahead * (len(path) + 4) < MAX_QUEUED - 1024 * (20 << 10)
        telling.finished(begun + 1)
        assert telling.may_list
        telling.finished(telling.listed)
    assert ahead == 16384, "short ones go by their number"
