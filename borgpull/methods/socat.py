"""socat: borg on the client reaches `borg serve` here through a unix socket that ssh forwards.

The chapter of borg's documentation. The socket has a random name in a 0700 folder on both sides,
and is removed in every case. Needs an sshd on the client that forwards unix sockets (OpenSSH).
"""

from __future__ import annotations

import contextlib
import os
import shlex
from collections.abc import Iterator
from pathlib import Path

from borgpull.borg.command import Borg
from borgpull.borg.serve import BUFFER, Gate, listening, served
from borgpull.client.borg import ClientBorg, relay
from borgpull.errors import ForwardingRefused, UsageError
from borgpull.events import Emit
from borgpull.jobs import Backup
from borgpull.methods import onclient
from borgpull.methods.base import Ready, Source
from borgpull.process import Running


@contextlib.contextmanager
def open_source(
    job: Backup, borg: Borg, folder: Path, emit: Emit, ready: Ready
) -> Iterator[Source]:
    if job.access.sudo:
        raise UsageError(
            "the forwarded socket belongs to the user who logs in, root's folder is closed to it",
            hint="use pipe --sudo",
        )
    with onclient.open_source(job, borg, folder, emit, ready, link=link, forwarding=True) as source:
        yield source


@contextlib.contextmanager
def link(_job: Backup, there: ClientBorg, folder: Path) -> Iterator[onclient.Way]:
    session, place = there.place.session, there.place
    # One socket for a command that runs, and one for a command that waits behind a gate meanwhile.
    sockets = {
        folder / name: f"{place.folder}/{os.urandom(8).hex()}.sock"
        for name in ("serve.sock", "held.sock")
    }
    forwards = [word for local, remote in sockets.items() for word in ("-R", f"{remote}:{local}")]
    done = session.control("forward", *forwards)
    if done.returncode != 0:
        raise ForwardingRefused(
            f"{session.config.target} refuses to forward a unix socket",
            hint="AllowStreamLocalForwarding in the client's sshd_config (dropbear's sshd cannot "
            "do it); or use pipe, which needs no forwarding",
        )
    # When borg closes its end, all its messages have been answered, so socat need not wait.
    client = f"exec {relay(place)} -b {BUFFER} -t 0.01 STDIO UNIX-CONNECT"

    @contextlib.contextmanager
    def start(command: str, *words: str, gate: Gate | None = None) -> Iterator[Running]:
        local, remote = list(sockets.items())[gate is not None]
        # A shell takes the words that borg adds. socat would read them as addresses.
        rsh = f"sh -c {shlex.quote(f'{client}:{remote}')}"
        with (
            listening(served(there.server, gate), local),
            there.through(rsh, command, *words) as child,
        ):
            yield child

    # The forwardings end with the connection. Before that, our folder is removed, with the sockets.
    yield onclient.Way(start, gates=True)
