"""A TCP connection to a client, made here and handed to ssh, so that its login does not wait.

ssh turns Nagle's algorithm off only after the login (OpenSSH 10.0, packet.c,
ssh_packet_set_interactive). Before, it sends two small packets one after the other. The second one
waits for the acknowledgement of the first, which Linux delays by 40 ms: 42 ms of 100, by strace.
"""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterable, Iterator

from borgpull.addresses import Target

# Seconds for each address. ssh itself, which tries after us, has a longer time.
SECONDS = 5.0
# Options of ssh that say how to connect. With one of them, ssh does it.
OWN = frozenset(
    (
        *("AddressFamily", "BindAddress", "BindInterface", "ConnectionAttempts"),
        *("ConnectTimeout", "IPQoS", "TCPKeepAlive"),
    )
)
# It uses its standard input and output as the connection (sshconnect.c, ssh_connect).
OPTIONS = ("-o", "ProxyCommand=-")


@contextlib.contextmanager
def dialled(target: Target) -> Iterator[socket.socket | None]:
    """A connection; None if there is none. Then ssh tries, and says in its words why it cannot."""
    with contextlib.ExitStack() as stack:
        made = None
        with contextlib.suppress(OSError):
            address = (target.host, target.port)
            made = stack.enter_context(socket.create_connection(address, timeout=SECONDS))
            made.settimeout(None)
            made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            made.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)  # as ssh does
        yield made


def may(options: Iterable[str]) -> bool:
    """May we connect, with these names of ssh's options?"""
    return OWN.isdisjoint(options)
