"""The two pipes to the helper of `restore --how stream`: frames go, answers come."""

from __future__ import annotations

import json
import os
import select
import struct
import time
from collections.abc import Callable
from typing import Any

from borgpull.borg.inside.replies import BadReply, Replies, Told, Trouble

# A frame: its kind, the lengths of its header (JSON) and of its content, and both.
HEAD = struct.Struct("<BII")
ROOT, FOLDER, FILE, DATA, HOLE, END, DROP, LINK, NODE, CLOSE, TELL, FINISH = range(1, 13)
ITEMS = (FOLDER, FILE, LINK, NODE, CLOSE)  # the kinds that begin an item
PIECE = 256 << 10  # bytes of one write
# The helper is asked how far it is after so many bytes, or items. It may be so far behind.
ASK_BYTES, ASK_ITEMS = 1 << 20, 256
BEHIND_BYTES, BEHIND_ITEMS = 32 << 20, 8192
# A target that neither takes nor says anything for so many seconds has stopped.
IDLE_SECONDS = 300.0


class Ended(Exception):
    """The helper, or the connection to it, has ended too early."""


class Stalled(Exception):
    """The helper does nothing any more."""


class Outlet:
    """Frames to the helper. Neither side waits for the other to read while it could read itself."""

    def __init__(
        self,
        read_fd: int,
        write_fd: int,
        heard: Callable[[Trouble | Told], None],
        idle: float = IDLE_SECONDS,
    ) -> None:
        """`heard` gets each answer, in order."""
        self._read_fd, self._write_fd, self._heard, self._idle = read_fd, write_fd, heard, idle
        os.set_blocking(write_fd, False)
        self.replies = Replies()
        self._unsent: list[bytes] = []
        self._waiting = 0  # bytes in it
        self._asked = Told(0, 0)
        self._moved = time.monotonic()

    def send(self, kind: int, head: dict[str, Any] | None = None, *content: bytes) -> int:
        """Send a frame; returns the number of its item. Raises BadReply, Ended, Stalled."""
        text = json.dumps(head, separators=(",", ":")).encode() if head else b""
        size = sum(map(len, content))
        self._unsent += (HEAD.pack(kind, len(text), size), text, *content)
        self._waiting += HEAD.size + len(text) + size
        number, sent = self.replies.sent
        number += kind in ITEMS
        self.replies.sent = Told(number, sent + size + (head["n"] if kind == HOLE and head else 0))
        self._ask()
        return number

    def _ask(self) -> None:
        sent = self.replies.sent
        new, size = sent.number - self._asked.number, sent.bytes - self._asked.bytes
        if new >= ASK_ITEMS or size >= ASK_BYTES:
            self._asked = sent
            self.replies.expected.append(sent)
            self._unsent.append(HEAD.pack(TELL, 0, 0))
        if self._waiting >= PIECE or new >= ASK_ITEMS or size >= ASK_BYTES:
            self.push()

    def push(self) -> None:
        """Send all, and wait while the helper is too far behind. Raises as `send`."""
        self._moved = time.monotonic()
        rest = memoryview(b"".join(self._unsent))
        self._unsent, self._waiting = [], 0
        while rest:
            if self._ready(writing=True):
                try:
                    rest = rest[os.write(self._write_fd, rest[:PIECE]) :]
                except BlockingIOError:
                    continue
                except BrokenPipeError:
                    self._last_words()
                self._moved = time.monotonic()
        while self._is_behind():
            self._ready()

    def _is_behind(self) -> bool:
        sent, told = self.replies.sent, self.replies.told
        return sent.bytes - told.bytes > BEHIND_BYTES or sent.number - told.number > BEHIND_ITEMS

    def finish(self) -> None:
        """Send the end, and take the last answer. Raises as `send`."""
        self.replies.finished = True
        self._unsent.append(HEAD.pack(FINISH, 0, 0))
        self.push()
        while not self.replies.ended:
            self._ready()

    def _ready(self, *, writing: bool = False) -> bool:
        """Wait for an answer, and take it; or until something can be written."""
        left = max(self._moved + self._idle - time.monotonic(), 0)
        wanted = [self._write_fd] if writing else []
        readable, writable, _ = select.select([self._read_fd], wanted, [], left)
        if not readable and not writable:
            raise Stalled(f"the target does nothing for {self._idle:g} s")
        if readable:
            self._read()
        return bool(writable)

    def _read(self) -> None:
        piece = os.read(self._read_fd, PIECE)
        if not piece:
            raise Ended("the target's answer has ended too early")
        for reply in self.replies.feed(piece):
            self._moved = time.monotonic()
            self._heard(reply)

    def _last_words(self) -> None:
        """The helper takes nothing any more: read what it has said. Raises Ended, always."""
        while True:
            self._ready()


__all__ = ["BadReply", "Ended", "Outlet", "Stalled"]
