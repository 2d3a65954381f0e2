"""The channels of ssh by which answers come: the first one, and more of them over a long way.

OpenSSH lets 2 MiB of a channel be under way, whatever the round trip is (channels.h,
CHAN_SES_WINDOW_DEFAULT). So one channel carries 100 MB a second over 20 ms, and 25 over 80 ms. The
helper (`client/scripts/stream_lanes.py`) offers to take more channels of the same connection,
which we call lanes. With them, its answers come as stripes: each lane has one in turn.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import time
from collections.abc import Callable, Sequence

from borgpull.borg.inside.wire import BadFrame, require

# Bytes of one read. The pipe gets as much room: ssh goes on while we encrypt. It is the most that
# each user may have (proc_sys_fs(5), pipe-max-size).
PIECE = 1 << 20
LENGTH = 4  # bytes before a stripe: how many it has
MAX_STRIPE = 1 << 20
MAX_GREETING = 64 << 10  # a login shell may say something before a lane begins
# Lanes are asked for if, over so many seconds, at least so many bytes came in each of them, and if
# this share of the time was waiting. On a slow link, one channel is enough.
SECONDS, RATE, SHARE = 0.25, 4_000_000, 0.4

NAME = 32  # the name of the helper's socket; the word follows that a lane has to say
_is_call = re.compile(rb"[0-9a-f]{64}").fullmatch


def widen(pipe: int) -> None:
    with contextlib.suppress(OSError):  # it is no pipe, or this user has too many large ones
        fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, PIECE)


class Lanes:
    """Where bytes of the helper come from. `more` are pipes that lanes may fill."""

    def __init__(self, first: int, more: Sequence[int] = ()) -> None:
        self._first, self._more = first, dict(enumerate(more))
        self._ring: list[int] = []  # once there are lanes
        self._turn = self._left = 0  # whose stripe comes, and its bytes that have not come
        self._head = b""
        # Of the first channel: it was read before the first lane joined.
        self._rest = memoryview(b"")
        self._call = b""
        self.asked = False  # were lanes asked for? From then on, one may join
        # Asks for lanes to the helper that answers to this call. None: nobody opens any, or it was
        # done.
        self.ask: Callable[[str], None] | None = None
        self._begin()

    def fileno(self) -> int:
        """What the next bytes come from."""
        return self._ring[self._turn] if self._ring else self._first

    def read(self, most: int) -> bytes | None:
        """Up to so many bytes; b"" at the end of a channel, None if more must come first.

        Raises BadFrame.
        """
        if not self._ring:
            return os.read(self._first, most)
        if self._left:
            piece = self._piece(min(most, self._left))
            self._left -= len(piece)
            if not self._left:
                self._turn = (self._turn + 1) % len(self._ring)
            return piece
        piece = self._piece(LENGTH - len(self._head))
        if not piece:
            return b""
        self._head += piece
        if len(self._head) == LENGTH:
            self._left, self._head = int.from_bytes(self._head, "little"), b""
            require(0 < self._left <= MAX_STRIPE)
        return None

    def ready(self) -> bool:
        """Need nobody wait for the next bytes?"""
        return bool(self._rest) and self.fileno() == self._first

    def _piece(self, most: int) -> bytes:
        if self.ready():
            piece, self._rest = bytes(self._rest[:most]), self._rest[most:]
            return piece
        return os.read(self.fileno(), most)

    def _begin(self) -> None:
        self._began, self._waited, self._size = time.monotonic(), 0.0, 0

    def offered(self, call: bytes) -> None:
        """The helper takes lanes by this name and word. Raises BadFrame."""
        require(bool(_is_call(call)) and not self._call)
        self._call = call
        self._begin()

    def took(self, size: int, waited: float) -> None:
        """So many bytes came after so many seconds of waiting: ask for lanes if they would help."""
        if not self._call or self.ask is None:
            return
        self._size += size
        self._waited += waited
        seconds = time.monotonic() - self._began
        if seconds < SECONDS:
            return
        if self._size > RATE * seconds and self._waited > SHARE * seconds:
            self.ask(self._call.decode())
            self.ask, self.asked = None, True
        self._begin()

    def joined(self, content: bytes, rest: bytes) -> bool:
        """From the next byte on, a lane is one of the ring, whose first one is next.

        `rest` was read already. False if the lane has ended before it began. Raises BadFrame.
        """
        require(self.asked and len(content) == 1 and content[0] in self._more)
        require(not self._left and not self._head and not (self._ring and rest))
        fd = self._more.pop(content[0])
        mark = b"\nborgpull-lane %s\n" % self._call[:NAME]
        said = b""
        while not said.endswith(mark):
            # No byte after the mark may be read here.
            piece = os.read(fd, 1 if len(said) >= len(mark) else len(mark) - len(said))
            said += piece
            if not piece:
                return False
            if len(said) > MAX_GREETING:
                raise BadFrame("a lane that does not begin")
        widen(fd)
        self._ring = [*(self._ring or [self._first]), fd]
        self._turn = 0
        self._rest = self._rest or memoryview(rest)
        return True
