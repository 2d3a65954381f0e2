"""The files whose content is asked for, or will be: in the order of their answers."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from itertools import islice

from borgpull.borg.inside import wire
from borgpull.borg.inside.channel import Channel
from borgpull.borg.inside.known import Known
from borgpull.borg.inside.slots import Slot
from borgpull.borg.inside.wire import BadFrame

# Files that are asked for before the first one has come, and bytes of those behind it.
MAX_ASKED, MAX_ASKED_BYTES = 4096, 32 << 20


class Asked:
    """Thousands of questions are on their way at a time, so that no round trip is waited for."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self.known: Known | None = None  # with a reader that can compare
        self._unsent: deque[Slot] = deque()
        self._sent: deque[Slot] = deque()
        self._bytes = 0
        self.answers = 0

    @property
    def all_sent(self) -> bool:
        return not self._unsent

    def extend(self, slots: Iterable[Slot]) -> None:
        """As `want`, of files behind which others may wait."""
        self._unsent.extend(slots)

    def expected(self, most: int) -> list[Slot]:
        """Of the files that are asked for: the next ones, at most so many. None of them if the
        first one's answer needs a second look.
        """
        if not self._sent or not self._sent[0].answer:
            return []
        return list(islice(self._sent, most))

    def size(self) -> int:
        """Bytes of the next answer's file, as it was listed; 0 if none is asked for."""
        return self._sent[0].st.st_size if self._sent else 0

    def __len__(self) -> int:
        """How many have not been answered."""
        return len(self._sent)

    def want(self, slot: Slot, *, first: bool) -> None:
        """`first`: all that is behind it waits for it."""
        if first:
            self._unsent.appendleft(slot)
        else:
            self._unsent.append(slot)

    def send(self) -> None:
        """Ask for as many as may be on their way; `push` of the channel sends it.

        The file behind the first one is asked for, however large both are. Else a round trip would
        pass between their answers.
        """
        sent = self._sent
        while (
            self._unsent and len(sent) < MAX_ASKED and self._bytes - self.size() < MAX_ASKED_BYTES
        ):
            slot = self._unsent.popleft()
            sent.append(slot)
            self._bytes += slot.st.st_size
            if not slot.base or self.known is None or not self.known.compare(self._channel, slot):
                self._channel.ask(wire.READ, slot.number)

    def answered(self, number: int) -> Slot:
        """The slot of the next answer. Raises BadFrame."""
        if not self._sent or self._sent[0].number != number:
            raise BadFrame("an answer that was not asked for")
        slot = self._sent.popleft()
        self._bytes -= slot.st.st_size
        self.answers += 1
        return slot
