"""forward: borg on the client connects back by ssh, through a TCP port of its loopback.

ssh forwards that port to an sshd of this run, which allows one key to run one command, `borg
serve`. The key is a file in our folder on the client, and is useless once the run is over.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from borgpull.borg.command import Borg
from borgpull.borg.serve import serve, serve_env
from borgpull.client.borg import ClientBorg, ssh_program
from borgpull.errors import ForwardingRefused
from borgpull.events import Emit
from borgpull.jobs import Backup
from borgpull.methods import onclient
from borgpull.methods.base import Ready, Source
from borgpull.ssh import back
from borgpull.ssh.keys import keypair
from borgpull.ssh.sshd import serving


@contextlib.contextmanager
def open_source(
    job: Backup, borg: Borg, folder: Path, emit: Emit, ready: Ready
) -> Iterator[Source]:
    with onclient.open_source(job, borg, folder, emit, ready, link=link, forwarding=True) as source:
        yield source


@contextlib.contextmanager
def link(job: Backup, there: ClientBorg, folder: Path) -> Iterator[onclient.Way]:
    server, place = there.server, there.place
    key = keypair(folder, "forward_key")
    env = serve_env(server)
    with serving(folder, key.public, serve(server), listen="127.0.0.1", env=env) as sshd:
        place.put("key", key.private.read_bytes())
        place.put("known_hosts", f"{sshd.known_hosts_line()}\n".encode())
        done = place.session.control("forward", *back.forward_port(sshd))
        port = done.stdout.decode(errors="replace").strip()
        if done.returncode != 0 or not port.isdigit():
            raise ForwardingRefused(f"{job.access.target} refuses to forward a port")
        rsh = back.rsh(sshd, "127.0.0.1", int(port), files=place.folder, program=ssh_program(place))
        yield onclient.by_ssh(job.access.target, there, rsh)
