"""agent: borg on the client connects back by ssh, with a key in a forwarded ssh-agent.

The chapter of borg's documentation, made safe. The key, the agent and the sshd here live for one
run only. The key works from the client to here only, and gives access to `borg serve` only.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator
from pathlib import Path

from borgpull.addresses import host_and_port
from borgpull.borg.command import Borg
from borgpull.borg.serve import serve, serve_env
from borgpull.client.borg import ClientBorg, ssh_program
from borgpull.errors import ConnectBackFailed, UsageError
from borgpull.events import Emit
from borgpull.jobs import Backup
from borgpull.methods import onclient
from borgpull.methods.base import Ready, Source
from borgpull.ssh import agent as agents
from borgpull.ssh import back
from borgpull.ssh.config import known_hosts_files
from borgpull.ssh.keys import keypair
from borgpull.ssh.sshd import serving

# Each of borg's commands logs in anew; the last is the renaming, at the end of the run.
LIFETIME_SECONDS = 24 * 3600


@contextlib.contextmanager
def open_source(
    job: Backup, borg: Borg, folder: Path, emit: Emit, ready: Ready
) -> Iterator[Source]:
    if job.access.sudo:
        raise UsageError("sudo hides the forwarded agent from borg", hint="use pipe --sudo")
    if job.access.via and not job.connect_back:
        raise UsageError(
            "through --via the client does not see our address",
            hint="name it: --connect-back HOST:PORT, or use pipe",
        )
    # The agent starts before the connection, which forwards it.
    with agents.agent(folder) as agent:
        options = functools.partial(back.forward_agent, agent)
        way = functools.partial(link, agent)
        with onclient.open_source(
            job, borg, folder, emit, ready, link=way, options=options
        ) as source:
            yield source


@contextlib.contextmanager
def link(
    agent: agents.Agent, job: Backup, there: ClientBorg, folder: Path
) -> Iterator[onclient.Way]:
    server, facts = there.server, there.place.facts
    named = host_and_port(job.connect_back) if job.connect_back else None
    key = keypair(folder, "agent_key")
    with serving(
        folder,
        key.public,
        serve(server),
        listen="::" if ":" in facts.connection else "0.0.0.0",  # noqa: S104 - one key, one command
        port=named[1] if named else 0,
        env=serve_env(server),
    ) as sshd:
        known_hosts = [Path(name) for name in known_hosts_files(job.places)]
        agents.add(
            agent,
            key,
            lifetime_seconds=LIFETIME_SECONDS,
            hops=back.hops(job.access.target, sshd),
            known_hosts=[*known_hosts, sshd.known_hosts],
        )
        host, port = named or (_seen_from(facts.connection), sshd.port)
        rsh = back.rsh(sshd, host, port, program=ssh_program(there.place))
        yield onclient.by_ssh(job.access.target, there, rsh)


def _seen_from(connection: str) -> str:
    """Our address as the client sees it: the first word of its SSH_CONNECTION (ssh(1))."""
    words = connection.split()
    if len(words) != 4:
        raise ConnectBackFailed(
            "the client does not say by which address it sees us", hint="name it: --connect-back"
        )
    return words[0]
