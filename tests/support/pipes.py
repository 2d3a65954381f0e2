"""A channel of the engine, with the far ends of its pipes."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

from borgpull.borg.inside.channel import Channel


class Pipes:
    """What a helper would have written comes by `write`. Nobody reads `requests`."""

    def __init__(self) -> None:
        answers, self._feed = os.pipe()
        self.requests, requests = os.pipe()
        self._others = (answers, self.requests, requests)
        self.channel = Channel(answers, requests)

    def write(self, text: bytes) -> None:
        """Waits if the pipe is full."""
        os.write(self._feed, text)

    def end(self) -> None:
        """The helper is gone."""
        if self._feed >= 0:
            os.close(self._feed)
        self._feed = -1

    def close(self) -> None:
        self.end()
        for fd in self._others:
            os.close(fd)


@contextlib.contextmanager
def piped() -> Iterator[Pipes]:
    with contextlib.closing(Pipes()) as found:
        yield found
