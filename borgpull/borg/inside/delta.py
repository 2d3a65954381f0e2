"""What differs in a file from the chunks that it had: the rest need not come once more."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from itertools import accumulate
from typing import Any

from borgpull.borg.inside import wire
from borgpull.borg.inside.channel import Channel
from borgpull.borg.inside.content import Reader
from borgpull.borg.inside.wire import BadFrame


class Compared(Reader):
    """A file of which only those pieces come that are not what they were.

    The client is believed that a piece is the same, as it is believed what it sends: it can only
    lie about its own file.
    """

    def __init__(
        self,
        channel: Channel,
        size: int,
        pieces: Sequence[tuple[bytes, int]],
        known: bytes | None,
        seen: Callable[[bytes], Any],
    ) -> None:
        """`pieces` are ids and sizes, and `known` is the sum of them all.

        `seen` tells if a chunk is in the repository.
        """
        super().__init__(channel, size)
        self._pieces, self._known, self._seen = pieces, known, seen
        self._begins = [0, *accumulate(size for _, size in pieces)]
        self._next = 0
        self._same: deque[bytes] = deque()
        self._claim: bytes | None = None
        self.kept = self.came = 0  # bytes that are the same, and that have come

    def sum(self, whole: bytes) -> bytes | None:
        """Of a file that is partly known, only the client can tell it."""
        if not self.kept:
            if self._claim not in (None, whole):
                raise BadFrame("a file whose hash is another file's")
            return whole
        return self._known if self.kept == self._begins[-1] and not self.came else self._claim

    def cut(self, chunkify: Callable[[Reader], Iterator[Any]]) -> Iterator[Any]:
        while True:
            while self._same:
                key = self._same.popleft()
                if self._seen(key):
                    yield key
                else:
                    self.lost = True
            if self.end is not None and not self._left:
                return
            yield from chunkify(self)

    def read(self, count: int) -> bytes:
        """Like a file that ends where the next known piece begins. Raises BadFrame, Ended."""
        return b"" if self._same and not self._left else super().read(count)

    def _wait(self) -> bool:
        return not self._same and super()._wait()

    def _take(self, kind: int, content: bytes) -> None:
        if kind == wire.SAME:
            first, count = wire.same(content)
            last = first + count
            if not self._next <= first < last <= len(self._pieces):
                raise BadFrame("a piece of a file that it never had")
            if self.size != self._begins[first]:
                raise BadFrame("a piece of a file that is in another place")
            self._same.extend(key for key, _ in self._pieces[first:last])
            self._next, more = last, self._begins[last] - self._begins[first]
            self.size += more
            self.kept += more
        elif kind == wire.SUM:
            self._claim = wire.sum_of(content)
        else:
            before = self.size
            super()._take(kind, content)
            self.came += self.size - before
