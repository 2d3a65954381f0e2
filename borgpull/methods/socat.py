"""socat: borg on the client reaches `borg serve` here through a unix socket that ssh forwards.

The chapter of borg's documentation, with a random name in a 0700 folder on both sides, and gone
in every case. Needs an sshd on the client that forwards unix sockets (OpenSSH).
"""

from __future__ import annotations

import contextlib
import os
import shlex
from collections.abc import Iterator
from pathlib import Path

from borgpull.borg.command import Borg
from borgpull.client.borg import ClientBorg, relay
from borgpull.client.serve import BUFFER, listening
from borgpull.errors import ForwardingRefused, UsageError
from borgpull.events import Emit
from borgpull.methods import onclient
from borgpull.methods.base import Source
from borgpull.model import JobSpec
from borgpull.process import Running


@contextlib.contextmanager
def open_source(job: JobSpec, borg: Borg, folder: Path, emit: Emit) -> Iterator[Source]:
    if job.sudo:
        raise UsageError(
            "the forwarded socket belongs to the user who logs in, root's folder is closed to it",
            hint="use pipe --sudo",
        )
    with onclient.open_source(job, borg, folder, emit, link=link, forwarding=True) as source:
        yield source


@contextlib.contextmanager
def link(_job: JobSpec, there: ClientBorg, folder: Path) -> Iterator[onclient.Start]:
    session, place = there.place.session, there.place
    local = folder / "serve.sock"
    remote = f"{place.folder}/{os.urandom(8).hex()}.sock"
    forward = ("-R", f"{remote}:{local}")
    done = session.control("forward", *forward)
    if done.returncode != 0:
        raise ForwardingRefused(
            f"{session.config.target} refuses to forward a unix socket",
            hint="AllowStreamLocalForwarding in the client's sshd_config (dropbear's sshd cannot "
            "do it); or use pipe, which needs no forwarding",
        )
    # A program of its own: borg adds words to its command, which socat would take for addresses.
    command = f"exec {relay(place)} -b {BUFFER} STDIO UNIX-CONNECT:{remote}"
    rsh = f"sh -c {shlex.quote(command)}"

    @contextlib.contextmanager
    def start(command: str, *words: str) -> Iterator[Running]:
        with (
            listening(there.server, local),
            there.through(rsh, command, *words) as child,
        ):
            yield child

    # The forwarding ends with the connection, and its socket is in our folder, which goes before.
    yield start
