"""The helper of `borgpull stream`: its answers go by more channels of ssh if the way is long.

Each channel has a window of its own. The other side starts `stream_hello.lane` in one, which hands
its standard output over by a socket. That has a name which nobody can guess, and is no file.
"""

import os
import struct

from borgpull.client.scripts.stream_look import HEAD, LANE, LANES, write

MYPY = False
if MYPY:
    import socket

ENOUGH = 4 << 20  # bytes that are sent before there is an offer: most runs need none
STRIPE, LENGTH = 128 << 10, struct.Struct("<I")
SECONDS = 5.0  # for a word of a lane that has called


class Lanes:
    """Where blocks of whole frames go: to one channel, or to each of several in turn."""

    def __init__(self) -> None:
        self.sent, self.turn = 0, 0
        self.offered = False
        self.door = None  # type: socket.socket | None # while a lane may call
        self.links = []  # type: list[socket.socket] # each keeps its channel open
        self.ring = []  # type: list[int]

    def write(self, block: bytes) -> None:
        self.deal(block)
        self.sent += len(block)
        if self.door is not None:
            self.look(self.door)
        elif self.sent >= ENOUGH and not self.offered:
            self.offered = True
            self.offer()

    def deal(self, block: bytes) -> None:
        """Send a block. With more channels it goes as stripes, whose length comes first."""
        if not self.ring:
            write(block)
            return
        rest = memoryview(block)
        while rest:
            handle = self.ring[self.turn]
            self.turn = (self.turn + 1) % len(self.ring)
            stripe, rest = rest[:STRIPE], rest[STRIPE:]
            write(b"".join((LENGTH.pack(len(stripe)), stripe)), handle)

    def offer(self) -> None:
        """Tell by which name lanes may call. Where that cannot be, one channel does."""
        try:
            import socket

            name = os.urandom(16).hex()
            door = socket.socket(socket.AF_UNIX)
            door.bind("\0borgpull-" + name)
            door.listen(8)
            door.setblocking(False)
            self.door = door
        except (ImportError, OSError):
            return
        self.deal(HEAD.pack(LANES, len(name)) + name.encode())

    def look(self, door: "socket.socket") -> None:
        """Has a lane called? From here on, it is one of the ring."""
        try:
            link = door.accept()[0]
        except OSError:
            return  # none has
        try:
            link.settimeout(SECONDS)
            number, handle = taken(link)
        except (OSError, ValueError):
            link.close()
            return
        self.deal(HEAD.pack(LANE, 1) + number)
        self.links.append(link)
        self.ring = [*(self.ring or [1]), handle]
        self.turn = 0


def taken(link: "socket.socket") -> "tuple[bytes, int]":
    """The number of a lane, and the descriptor that it hands over. Raises OSError, ValueError."""
    import socket

    _, uid, _ = struct.unpack("3i", link.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
    if uid != os.geteuid():
        raise ValueError(uid)
    number, more, _, _ = link.recvmsg(1, socket.CMSG_SPACE(4))
    handles = [data[:4] for _, kind, data in more if kind == socket.SCM_RIGHTS]
    if len(number) != 1 or len(handles) != 1:
        raise ValueError(number)
    return number, struct.unpack("i", handles[0])[0]
