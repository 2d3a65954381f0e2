"""The frames of a channel, each at its turn.

Content that has come is hashed before its turn, by other threads. So the next frames are taken as
soon as they have come: ssh can go on, and nobody waits for a hash.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any, NamedTuple

from borgpull.borg.inside import wire
from borgpull.borg.inside.ahead import Hasher, Soon
from borgpull.borg.inside.asked import Asked
from borgpull.borg.inside.channel import Channel
from borgpull.borg.inside.content import SHORT, Large
from borgpull.borg.inside.slots import Slot

# Once so many files, or bytes of them, have been taken before their turn, no more are.
FILES, BYTES = 256, 8 << 20
# A file with more old chunks than this is not kept waiting: its reader knows them all.
OLD_CHUNKS = 64
# Several answers at once that are as expected, at most so many. It is no kind of frame.
SEVERAL, AT_ONCE = 0, 128


class Frame(NamedTuple):
    """What has come. Of files, there are the slots, too."""

    kind: int
    content: Any
    soon: Soon | None = None  # the hashes of small files
    files: int = 0
    size: int = 0  # bytes of them
    more: bool = False  # may a frame behind it be taken before its turn?

    @property
    def hashes(self) -> bool:
        """Has a thread something to hash of it?"""
        return self.kind == wire.BEGIN or self.soon is not None

    def hashed(self) -> bool:
        """Are all hashes there that a thread computes?"""
        if self.kind == wire.BEGIN:
            large: Large = self.content[1]
            return large.chunks.hashed()
        return self.soon is None or self.soon.done()


class Frames:
    """Takes frames before their turn, as long as threads have something to hash."""

    def __init__(
        self,
        channel: Channel,
        asked: Asked,
        hasher: Hasher | None,
        begin: Callable[[bytes], tuple[Slot, Large]],
    ) -> None:
        """`begin` takes the beginning of a large file, whose first frame it gets."""
        self._channel, self._asked, self._hasher, self._begin = channel, asked, hasher, begin
        self._next: deque[Frame] = deque()  # that have come, and whose turn it is not yet
        self._files = self._size = 0  # files of them, and their bytes

    def frame(self) -> Frame:
        """Raises BadFrame, Ended.

        SEVERAL has slots, and the contents of their files. WHOLE has a slot and the parts of its
        answer, and BEGIN a slot and a Large.
        """
        self._channel.drain()
        while not self._next or self._more():
            taken = self._several() or self._one()
            self._next.append(taken)
            self._count(taken, 1)
        found = self._next.popleft()
        self._count(found, -1)
        return found

    def _count(self, frame: Frame, sign: int) -> None:
        self._files += sign * frame.files
        self._size += sign * frame.size

    def _several(self) -> Frame | None:
        """The answers that are as expected, if there is one."""
        slots = self._asked.expected(AT_ONCE)
        if not slots or self._hasher is None:
            return None
        found = self._channel.answers(slots)
        if not found:
            return None
        slots = slots[: len(found)]
        for slot in slots:
            self._asked.answered(slot.number)
        size = sum(map(len, found))
        return Frame(SEVERAL, (slots, found), self._hasher.begin(found), len(found), size, True)

    def _one(self) -> Frame:
        kind, content = self._channel.frame()
        if kind == wire.WHOLE:
            answer, end, data = wire.whole(content)
            parts = self._asked.answered(answer.number), answer, end, data
            soon = self._hasher.begin([data]) if self._hasher is not None else None
            return Frame(kind, parts, soon, 1, len(content), True)
        if kind == wire.BEGIN:
            slot, large = self._begin(content)
            more = large.has_come and len(slot.base) <= OLD_CHUNKS
            return Frame(kind, (slot, large), None, 1, large.reader.size, more)
        return Frame(kind, content)

    def _more(self) -> bool:
        """Is one more to be taken before its turn?

        It is while the first one is being hashed, or if a thread would soon have nothing to do.
        """
        first, last = self._next[0], self._next[-1]
        if not last.more or self._files >= FILES or self._size >= BYTES:
            return False
        if first.hashed() and not (last.hashes and self._is_here()):
            return False
        return self._channel.has_frame()

    def _is_here(self) -> bool:
        """Has the next file come, or its beginning, if it is as large as it was listed?"""
        size = self._asked.size()
        return size <= wire.SMALL or self._channel.come >= min(size, SHORT)
