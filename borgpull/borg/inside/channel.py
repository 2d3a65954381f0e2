"""The two pipes to the helper of `stream`: frames come, requests go."""

from __future__ import annotations

import itertools
import os
import select
import time
from collections import deque
from collections.abc import Iterable, MutableSequence, Sequence

from borgpull.borg.inside import wire
from borgpull.borg.inside.lanes import PIECE, Lanes, widen
from borgpull.borg.inside.packed import Packed
from borgpull.borg.inside.rate import Rate
from borgpull.borg.inside.slots import Slot

# So many pieces are taken at once, at most, while there is other work: each one is copied.
PIECES = 4
# Bytes of content that are taken before anybody asks for them; the last piece may go beyond.
AHEAD = 8 << 20
TINY = 4096  # bytes: a piece takes so much memory, however small it is


class Ended(Exception):
    """The helper, or the connection to it, has ended too early."""


class Channel:
    """Frames and requests. Requests never block: the helper may wait for us to read."""

    def __init__(self, read_fd: int, write_fd: int, *more: int) -> None:
        """`more` are pipes that lanes may fill."""
        self.lanes, self._write_fd = Lanes(read_fd, more), write_fd
        os.set_blocking(write_fd, False)
        widen(read_fd)
        self._buffer, self._at = b"", 0
        self._packed: Packed | None = None
        self._ahead: deque[bytes] = deque()  # pieces of the first channel
        self._drained = 0  # bytes of them
        self._unsent = bytearray()
        self.received = 0  # bytes
        self.rate: Rate | None = None

    def frame(self) -> tuple[int, bytes]:
        """The next frame: its kind and content. Raises BadFrame, Ended."""
        if self._packed is not None:
            found = self._packed.frame()
            if found is not None:
                return found
            self._packed = None
        kind, length = self._whole()
        content = self._taken(length)
        if kind == wire.PACKED:
            self._packed = Packed(content)
            return self.frame()
        return kind, content

    def _taken(self, length: int) -> bytes:
        """The content of the next frame, all of which has come."""
        begin = self._at + wire.HEAD.size
        self._at = begin + length
        return self._buffer[begin : self._at]

    def answers(self, slots: Iterable[Slot]) -> list[bytes]:
        """The contents of files that come next, up to the first whose answer is not as expected,
        or not whole. Raises BadFrame, Ended; waits for a frame.
        """
        packed = self._packed if self._packed is not None and self._packed.more else None
        if packed is None:
            self._whole()
        text, at = (self._buffer, self._at) if packed is None else (packed.text, packed.at)
        found: list[bytes] = []
        for slot in slots:
            begin = at + len(slot.answer)
            end = begin + slot.st.st_size
            if not slot.answer or end > len(text) or not text.startswith(slot.answer, at):
                break
            found.append(text[begin:end])
            at = end
        if packed is None:
            self._at = at
        else:
            packed.at = at
        return found

    def _whole(self) -> tuple[int, int]:
        """Wait for a whole frame; its kind and length. Raises BadFrame, Ended."""
        while True:
            self._need(wire.HEAD.size)
            kind, length = wire.head(self._buffer, self._at)
            self._need(wire.HEAD.size + length)
            if kind not in wire.OF_LANES:
                return kind, length
            self._of_lanes(kind, length)

    def has_frame(self) -> bool:
        """Has a whole frame come? What need not be waited for is taken. Raises BadFrame, Ended."""
        if self._packed is not None and self._packed.more:
            return True
        for _ in range(PIECES):
            if self._is_whole():
                return True
            if not self._more():
                return False
        return self._is_whole()

    def _is_whole(self) -> bool:
        """Is the next frame in the buffer? Raises BadFrame, Ended."""
        while (have := len(self._buffer) - self._at - wire.HEAD.size) >= 0:
            kind, length = wire.head(self._buffer, self._at)
            if have < length:
                return False
            if kind not in wire.OF_LANES:
                return True
            self._of_lanes(kind, length)
        return False

    def _more(self) -> bool:
        """Take a piece of a frame that is not large. False if there is none now. Raises BadFrame.

        With a limit of the rate, taking is waiting.
        """
        rest = len(self._buffer) - self._at
        while self.rate is None and rest <= PIECE and self._is_ready():
            piece = self._piece(time.monotonic())
            if piece is not None:
                self._buffer, self._at = self._buffer[self._at :] + piece, 0
                return bool(piece)
        return False

    @property
    def come(self) -> int:
        """Bytes that have been taken, and are in no frame yet."""
        return len(self._buffer) - self._at + self._drained

    def drain(self) -> None:
        """Take what has come, so that ssh and the helper go on while we have other work.

        With a limit of the rate, taking is waiting. With lanes, a frame may say that the next bytes
        are another lane's. What is unsent is sent here: nobody else does so while there is input.
        """
        if self._unsent:
            self.push()
        while self.rate is None and not self.lanes.asked and self._drained < AHEAD:
            if not select.select([self.lanes], [], [], 0)[0]:
                return
            piece = self._read(PIECE, time.monotonic())
            if not piece:  # the end: whoever needs more will read it again
                return
            _add(self._ahead, piece)
            self._drained += len(piece)

    def _is_ready(self) -> bool:
        if self._ahead or self.lanes.ready():
            return True
        return bool(select.select([self.lanes], [], [], 0)[0])

    def _of_lanes(self, kind: int, length: int) -> None:
        """A frame that is of the channels alone. Raises BadFrame, Ended."""
        content = self._taken(length)
        if kind == wire.LANES:
            self.lanes.offered(content)
            return
        rest = b"".join((self._buffer[self._at :], *self._ahead))
        self._buffer, self._at, self._drained = b"", 0, 0
        self._ahead.clear()
        self.received -= len(rest)  # it is read once more
        if not self.lanes.joined(content, rest):
            raise Ended("one of the client's channels has ended too early")

    def _need(self, size: int) -> None:
        have = len(self._buffer) - self._at
        if have >= size:
            return
        pieces = [self._buffer[self._at :]]
        while have < size:
            began = time.monotonic()
            self._await_input()
            piece = self._piece(began)
            if piece is None:
                continue
            if not piece:
                raise Ended("the client's answer has ended too early")
            _add(pieces, piece)
            have += len(piece)
        self._buffer, self._at = b"".join(pieces), 0

    def _piece(self, began: float) -> bytes | None:
        """As `Lanes.read`. It was waited for since `began`. Raises BadFrame."""
        if self._ahead:
            piece = self._ahead.popleft()
            self._drained -= len(piece)
            return piece
        return self._read(PIECE if self.rate is None else min(PIECE, self.rate.piece), began)

    def _read(self, most: int, began: float) -> bytes | None:
        piece = self.lanes.read(most)
        if piece is not None:
            self.lanes.took(len(piece), time.monotonic() - began)
            self.received += len(piece)
            if self.rate is not None:
                self.rate.took(len(piece))
        return piece

    def _await_input(self) -> None:
        """Send what is unsent, until there is something to read."""
        while self._unsent and not self._ahead and not self.lanes.ready():
            readable, writable, _ = select.select([self.lanes], [self._write_fd], [])
            if writable:
                self.push()
            if readable:
                return

    def ask(self, kind: int, number: int = 0) -> None:
        """Note a request; `push` sends it."""
        self._unsent += wire.REQUEST.pack(kind, number)

    def compare(self, number: int, pieces: Sequence[tuple[int, bytes]]) -> None:
        """Note the request for what differs in a file. `pieces` are sizes and sha256."""
        self.ask(wire.COMPARE, number)
        self._list(itertools.starmap(wire.PIECE.pack, pieces))

    def numbers(self, kind: int, numbers: Sequence[int]) -> None:
        """Note a request with inodes or devices. Raises struct.error."""
        self.ask(kind)
        self._list(map(wire.INODE.pack, numbers))

    def _list(self, items: Iterable[bytes]) -> None:
        """Note what follows a request: how many, and each."""
        every = [*items]
        self._unsent += len(every).to_bytes(4, "little")
        self._unsent += b"".join(every)

    def push(self) -> None:
        """Send what the pipe takes now. Reading will tell if the other side is gone."""
        try:
            while self._unsent:
                del self._unsent[: os.write(self._write_fd, self._unsent)]
        except BlockingIOError:
            return
        except BrokenPipeError:
            self._unsent.clear()


def _add(pieces: MutableSequence[bytes], piece: bytes) -> None:
    """Tiny ones become one: a client could send bytes one by one."""
    if pieces and len(piece) < TINY and len(pieces[-1]) < TINY:
        pieces[-1] += piece
    else:
        pieces.append(piece)
