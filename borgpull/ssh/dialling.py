"""A TCP connection to a client, made here and handed to ssh, so that its login does not wait.

ssh turns Nagle's algorithm off only after the login (OpenSSH 10.0, packet.c,
ssh_packet_set_interactive). Before, it sends two small packets one after the other. The second one
waits for the acknowledgement of the first, which Linux delays by 40 ms: 42 ms of 100, by strace.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterable, Iterator
from typing import Any

from borgpull.addresses import Target

# ssh itself, which tries after us, has a longer time.
SECONDS = 5.0
# Options of ssh that say how to connect. With one of them, ssh does it.
OWN = {
    "AddressFamily",
    "BindAddress",
    "BindInterface",
    "ConnectionAttempts",
    "ConnectTimeout",
    "IPQoS",
    "TCPKeepAlive",
}
# It uses its standard input and output as the connection (sshconnect.c, ssh_connect).
OPTIONS = ("-o", "ProxyCommand=-")


@contextlib.contextmanager
def dialled(target: Target) -> Iterator[socket.socket | None]:
    """A connection; None if there is none in time. Then ssh tries, and says why it cannot.

    A thread dials: whoever waits for a name server in C code hears of no signal.
    """
    found: list[socket.socket] = []
    lock, gone = threading.Lock(), threading.Event()

    def dial() -> None:
        with contextlib.suppress(OSError, UnicodeError):  # IDNA refuses some names
            made = _connected(target)
            with lock:
                if not gone.is_set():
                    found.append(made)
                    return
            made.close()

    thread = threading.Thread(target=dial, daemon=True)
    try:
        thread.start()
        thread.join(SECONDS)
        yield found[0] if found else None
    finally:
        with lock:
            gone.set()
        for made in found:
            made.close()


def _connected(target: Target) -> socket.socket:
    """Raises OSError, UnicodeError."""
    # For a text, Python loads its codec for international names, which most names need not.
    host: Any = target.host.encode() if target.host.isascii() else target.host
    made = socket.create_connection((host, target.port), timeout=SECONDS)
    made.settimeout(None)
    made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)  # as ssh does
    return made


def may(options: Iterable[str]) -> bool:
    """May we connect, with these names of ssh's options?"""
    return OWN.isdisjoint(options)
