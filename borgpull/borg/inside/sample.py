"""The files of a client whose content is hashed there, in one run.

Those without a known sum have the larger part of what may be read. The rest is for a share of all
files, another one each time. So a sum that is wrong is found when its turn comes.
"""

from __future__ import annotations

import hmac
import time
from collections import deque
from typing import Any, NamedTuple

from borgpull.borg.inside import wire
from borgpull.borg.inside.channel import Channel
from borgpull.borg.inside.reread import is_due
from borgpull.borg.inside.wire import Answer, BadFrame, Stat

# Files, and their bytes, that are asked for before the first one has come. With fewer of them,
# small files would wait for one round trip after the other.
MAX_ASKED, MAX_ASKED_BYTES = 4096, 8 << 20
FOR_BARE = 0.75  # of the bytes: for files without a sum
MAX_DIFFERS = 1000  # names


class _One(NamedTuple):
    number: int
    path: bytes
    st: Stat
    known: bytes  # the sum that an earlier run has found, or empty


class Sample:
    """Chosen by a key that the client does not have, and within bounds of bytes and seconds."""

    def __init__(self, channel: Channel, order: dict[str, Any], every: int, bare: int) -> None:
        """`order` is as `state/samples.py` makes it.

        `every` is how many bytes the client had to hash, and `bare` those without a known sum.
        """
        self._channel, self._key = channel, bytes.fromhex(order["key"])
        self._turn: int = order["turn"]
        self._largest, self._left = order["largest"], order["bytes"]
        self._for_bare = max(1, int(FOR_BARE * self._left))
        # One file in so many: of all, and of those without a sum. A client cannot know which.
        rest = max(1, self._left - min(bare, self._for_bare))
        self._share: int = max(order["share"], -(-every // rest))
        self._bare_share = max(1, -(-bare // self._for_bare))
        self._seconds, self._until = order["seconds"], 0.0
        self._unsent: deque[_One] = deque()
        self._sent: deque[_One] = deque()
        self._asked = 0  # bytes that are on their way
        self._begun: Answer | None = None
        self._claim = b""
        self.answers = 0
        self.sums: dict[int, bytes] = {}  # by number
        self.differs: list[bytes] = []  # paths whose sum is another one than the known one

    def __len__(self) -> int:
        """How many are open."""
        return len(self._unsent) + len(self._sent)

    @property
    def open_from(self) -> int | None:
        """The first number that the client must still know."""
        first = self._sent or self._unsent
        return first[0].number if first else None

    def see(self, number: int, path: bytes, st: Stat, known: bytes) -> None:
        """Hash a regular file if its turn has come, or if it has no known sum, and is chosen."""
        if st.st_size > self._largest:
            return
        found = hmac.digest(self._key, path, "sha256")
        if not is_due(found[:8], self._share, self._turn):
            bare = not known and st.st_size <= self._for_bare
            if not bare or not is_due(found[8:16], self._bare_share, self._turn):
                return
            self._for_bare -= st.st_size
        self._unsent.append(_One(number, path, st, known))

    def send(self) -> None:
        """Ask for as many as may be on their way; `push` of the channel sends it."""
        if len(self._sent) > MAX_ASKED // 2:  # each request costs a call, and wakes the client up
            return
        while self._unsent and (
            not self._sent or (len(self._sent) < MAX_ASKED and self._asked < MAX_ASKED_BYTES)
        ):
            one = self._unsent.popleft()
            self._until = self._until or time.monotonic() + self._seconds
            if time.monotonic() > self._until:
                self._unsent.clear()
                self._largest = -1
                return
            if one.st.st_size > self._left:
                continue
            self._left -= one.st.st_size
            self._asked += one.st.st_size
            self._sent.append(one)
            self._channel.ask(wire.HASH, one.number)

    def take(self, kind: int, content: bytes) -> None:
        """A frame of an answer. Raises BadFrame."""
        if kind == wire.BEGIN and self._begun is None:
            self._begun = self._answered(wire.begin(content)[0])
        elif kind == wire.SUM and self._begun is not None and not self._claim:
            self._claim = wire.sum_of(content)
        elif kind == wire.STOP and self._begun is not None:
            self._stop(wire.stop(content))
        elif kind == wire.WHOLE and self._begun is None:
            if not self._answered(wire.whole(content)[0]).stage:
                raise BadFrame("a content that was not asked for")
            self._next()
        elif kind == wire.AGAIN and self._begun is None:  # it is no file any more
            self._require(wire.again(content)[0])
            self._next()
        else:
            raise BadFrame(f"a frame of kind {kind} out of turn")

    def _answered(self, answer: Answer) -> Answer:
        self._require(answer.number)
        return answer

    def _require(self, number: int) -> None:
        if not self._sent or self._sent[0].number != number:
            raise BadFrame("an answer that was not asked for")

    def _stop(self, end: wire.End) -> None:
        """The sum counts for a file that is as it was listed, before and after it was read."""
        assert self._begun is not None
        number, path, st, known = self._sent[0]
        before = self._begun.st is not None and _same(self._begun.st, st)
        after = (end.ctime_ns, end.size) == (st.st_ctime_ns, st.st_size)
        if not end.stage and self._claim and before and after:
            self.sums[number] = self._claim
            if known not in (b"", self._claim) and len(self.differs) < MAX_DIFFERS:
                self.differs.append(path)
        self._begun, self._claim = None, b""
        self._next()

    def _next(self) -> None:
        self._asked -= self._sent.popleft().st.st_size
        self.answers += 1


def _same(one: Stat, other: Stat) -> bool:
    """Is a file as it was listed?"""
    return _fields(one) == _fields(other)


def _fields(st: Stat) -> tuple[int, ...]:
    return st.st_ino, st.st_size, st.st_mtime_ns, st.st_ctime_ns
