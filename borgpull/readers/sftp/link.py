"""The connection to an SFTP server: many requests at once, each with what is to be done then."""

from __future__ import annotations

import os
import select
from collections.abc import Callable

from borgpull.readers.child import BadAnswer, Ended
from borgpull.readers.sftp import packets
from borgpull.readers.sftp.packets import need

PIECE = 1 << 20  # bytes of one read
# A server that owes us answers, and sends nothing for so long, is given up.
IDLE_SECONDS = 300.0
LIMITS = b"limits@openssh.com"

# It gets the status, and the body of the answer. The status is OK if the answer is what was wanted.
Then = Callable[[int, bytes], None]


class Link:
    """Requests and answers. Writing never blocks: the server may wait for us to read."""

    def __init__(self, read_fd: int, write_fd: int) -> None:
        self.read_fd, self.write_fd = read_fd, write_fd
        os.set_blocking(write_fd, False)
        self._rest = b""  # of what has come: no whole packet
        self._extensions: dict[bytes, bytes] | None = None  # None until the server has begun
        self._unsent = bytearray()
        self._id = 0
        self._waiting: dict[int, tuple[int, Then]] = {}  # by the id of a request
        self.handles = 0  # files that the server lets us open at once; 0: not known

    def hello(self) -> None:
        """Agree on the version. Raises BadAnswer, Ended."""
        self._unsent += b"\0\0\0\5\1\0\0\0\3"
        while self._extensions is None:
            self.turn()
        if LIMITS in self._extensions:
            self.ask(
                packets.EXTENDED, packets.text(LIMITS), packets.EXTENDED_REPLY, self._take_limits
            )
            self.drain()

    def _take_limits(self, status: int, body: bytes) -> None:
        if status == packets.OK:
            self.handles = packets.most_handles(body)

    def ask(self, kind: int, body: bytes, wanted: int, then: Then) -> None:
        """Note a request; `turn` sends it. `wanted` is the kind of a good answer."""
        self._id = (self._id + 1) & 0xFFFFFFFF
        self._waiting[self._id] = wanted, then
        self._unsent += packets.HEAD.pack(len(body) + 5, kind, self._id)
        self._unsent += body

    def call(self, kind: int, body: bytes, wanted: int) -> tuple[int, bytes]:
        """Ask, and wait for all answers. Raises BadAnswer, Ended."""
        found: list[tuple[int, bytes]] = []
        self.ask(kind, body, wanted, lambda status, answer: found.append((status, answer)))
        self.drain()
        return found[0]

    def drain(self) -> None:
        """Wait for all answers. Raises BadAnswer, Ended."""
        while self._waiting:
            self.turn()

    def turn(self, other: int | None = None) -> bool:
        """Send and receive what there is, or wait for it. Is `other` (a descriptor) readable?

        Raises BadAnswer, Ended.
        """
        reading = [self.read_fd] if other is None else [self.read_fd, other]
        writing = [self.write_fd] if self._unsent else []
        limit = IDLE_SECONDS if other is None or self._waiting else None
        readable, writable, _ = select.select(reading, writing, [], limit)
        if not readable and not writable:
            raise Ended(f"the client's SFTP server says nothing for {IDLE_SECONDS:g} s")
        if writable:
            self._send()
        if self.read_fd in readable:
            self._receive()
        return other in readable

    def _send(self) -> None:
        try:
            del self._unsent[: os.write(self.write_fd, self._unsent[:PIECE])]
        except BlockingIOError:
            return
        except BrokenPipeError:
            self._unsent.clear()  # reading will tell

    def _receive(self) -> None:
        piece = os.read(self.read_fd, PIECE)
        if not piece:
            raise Ended("the client's SFTP server has ended")
        block, at = self._rest + piece, 0
        while len(block) - at >= 4:
            length = packets.length(block, at)
            if len(block) - at - 4 < length:
                break
            self._dispatch(block[at + 4 : at + 4 + length])
            at += 4 + length
        self._rest = block[at:]

    def _dispatch(self, packet: bytes) -> None:
        if self._extensions is None:
            need(packet[0] == packets.VERSION, "no SFTP")
            self._extensions = packets.version(packet[1:])
            return
        number = int.from_bytes(packet[1:5], "big")
        if number not in self._waiting:
            raise BadAnswer("an answer to no question")
        wanted, then = self._waiting.pop(number)
        kind, body = packet[0], packet[5:]
        if kind == wanted != packets.STATUS:
            then(packets.OK, body)
            return
        need(kind == packets.STATUS, f"an answer of kind {kind}")
        code = packets.status(body)
        need(code != packets.OK or wanted == packets.STATUS, "an answer without what was asked")
        then(code, b"")
