"""The helper of `borgpull stream`: its answers go by more channels of ssh if the way is long.

Each channel has a window of its own. The other side starts `stream_hello.lane` in one, which hands
its standard output over by a socket that is no file. Everybody on the machine may learn the name of
the socket. So a lane must be of our user, and know a word, too, that only ssh has carried.
"""

import os
import struct

from borgpull.client.scripts.stream_hello import is_ours
from borgpull.client.scripts.stream_look import HEAD, LANE, LANES, write

MYPY = False
if MYPY:
    import socket

ENOUGH = 4 << 20  # bytes that are sent before there is an offer: most runs need none
STRIPE, LENGTH = 128 << 10, struct.Struct("<I")
CALLERS = 16  # beyond so many, no lane is taken any more


class Lanes:
    """Where blocks of whole frames go: to one channel, or to each of several in turn."""

    def __init__(self, most: int) -> None:
        self.most = most  # lanes that are taken
        self.sent, self.turn, self.called = 0, 0, 0
        self.door = None  # type: socket.socket | None # while a lane may call
        self.word = b""
        self.callers = []  # type: list[socket.socket] # that have not said the word yet
        self.links = []  # type: list[socket.socket] # each keeps its channel open
        self.ring = []  # type: list[int]

    def write(self, block: bytes) -> None:
        self.deal(block)
        before, self.sent = self.sent, self.sent + len(block)
        if self.door is not None:
            self.look(self.door)
        elif before < ENOUGH <= self.sent:
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
        """Tell how lanes may call. Where that cannot be, one channel does."""
        try:
            import socket

            name, self.word = os.urandom(16).hex(), os.urandom(16).hex().encode()
            door = socket.socket(socket.AF_UNIX)
            door.bind("\0borgpull-" + name)
            door.listen(CALLERS)
            door.setblocking(False)
            self.door = door
        except (ImportError, OSError):
            return
        self.deal(HEAD.pack(LANES, 64) + name.encode() + self.word)

    def look(self, door: "socket.socket") -> None:
        """Take the lanes that have called and said the word. Nobody is waited for."""
        try:
            self.callers.append(door.accept()[0])
            self.called += 1
        except OSError:
            pass  # none has
        for link in self.callers[:]:
            try:
                number, handle = taken(link, self.word)
            except BlockingIOError:
                continue
            except (OSError, ValueError):
                link.close()
            else:
                self.join(number, handle)
                self.links.append(link)
            self.callers.remove(link)
        if len(self.links) == self.most or self.called >= CALLERS:
            self.door = None
            for link in [door, *self.callers]:
                link.close()

    def join(self, number: bytes, handle: int) -> None:
        """From here on, a lane is one of the ring."""
        self.deal(HEAD.pack(LANE, 1) + number)
        self.ring = [*(self.ring or [1]), handle]
        self.turn = 0


def taken(link: "socket.socket", word: bytes) -> "tuple[bytes, int]":
    """The number of a lane, and the descriptor that it hands over. Raises OSError, ValueError."""
    import socket

    if not is_ours(link):
        raise ValueError("of another user")
    said, more, _, _ = link.recvmsg(64, socket.CMSG_SPACE(4), socket.MSG_DONTWAIT)
    given = [data for _, kind, data in more if kind == socket.SCM_RIGHTS]
    handles = [handle for data in given for (handle,) in struct.iter_unpack("i", data)]
    if said[1:] != word or len(handles) != 1:
        for handle in handles:
            os.close(handle)
        raise ValueError("not the word")
    return said[:1], handles[0]
