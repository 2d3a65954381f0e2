"""The way back: how a client's ssh reaches the sidecar's sshd, and the errors if it does not."""

from __future__ import annotations

import re
import shlex

from borgpull import errors
from borgpull.addresses import Target
from borgpull.errors import BorgpullError
from borgpull.ssh.agent import Agent
from borgpull.ssh.config import SshConfig
from borgpull.ssh.diagnose import READ_CHARS
from borgpull.ssh.hostkeys import pattern
from borgpull.ssh.sshd import ALIAS, Sshd

# ssh_config(5) for the client's ssh: it ignores the client's own configuration and asks nothing.
_CLIENT_OPTIONS = (
    "BatchMode=yes",
    "StrictHostKeyChecking=yes",
    f"HostKeyAlias={ALIAS}",
    "GlobalKnownHostsFile=/dev/null",
    "UpdateHostKeys=no",
    "CheckHostIP=no",
    "PreferredAuthentications=publickey",
    "ForwardAgent=no",
    "ForwardX11=no",
    "ClearAllForwardings=yes",
    "ControlMaster=no",
    "ControlPath=none",
    "RequestTTY=no",
    "ConnectTimeout=20",
    "ServerAliveInterval=10",
    "ServerAliveCountMax=3",
    "Compression=no",
)


def rsh(sshd: Sshd, host: str, port: int, *, files: str | None = None, program: str = "ssh") -> str:
    """BORG_RSH for the client: reaches the sidecar at `host`, `port` as the client sees them.

    The repository is `ssh://borgpull-sidecar/PATH`, the same in each run: borg would ask about a
    repository that has moved. Without `files`, nothing is stored on the client: the key is in the
    forwarded agent, and the host key comes from a command (OpenSSH 8.5). Else `files` is a folder
    of the client, 0700, with the private key as `key` (0600) and `sshd.known_hosts_line()` as
    `known_hosts`.
    """
    options = [f"HostName={host}", f"Port={port}", f"User={sshd.user}", *_CLIENT_OPTIONS]
    if files is None:
        echo = f"KnownHostsCommand=/bin/sh -c 'echo {sshd.known_hosts_line()}'"
        options += ["UserKnownHostsFile=/dev/null", echo, "IdentityFile=none"]
    else:
        options += [f"UserKnownHostsFile={files}/known_hosts", f"IdentityFile={files}/key"]
        options += ["IdentitiesOnly=yes", "IdentityAgent=none"]
    return shlex.join([program, "-F", "none", "-T", *(f"-o{option}" for option in options)])


def hops(target: Target, sshd: Sshd) -> list[str]:
    """The hops that a key may take: to the client, and from there to our user at the sidecar.

    ssh looks up hosts in lower case, but ssh-add as they are written.
    """
    client = pattern(target).lower()
    return [client, f"{client}>{sshd.user}@{ALIAS}"]


def forward_agent(agent: Agent, config: SshConfig) -> list[str]:
    """Options that go before those of `config`: ssh takes the first value that it meets.

    In spite of ForwardAgent, ssh forwards no agent if it finds none for itself (ssh.c,
    check_agent_present). So ours is that agent, too. Without a key, the user's own agent is kept:
    it holds the key for the login.
    """
    options = ["-o", f"ForwardAgent={agent.socket}"]
    return [*options, "-o", f"IdentityAgent={agent.socket}"] if config.has_key else options


def forward_port(sshd: Sshd) -> list[str]:
    """Options, as above, for a port of the client's loopback that leads to the sidecar's sshd.

    The client chooses the port. ssh prints it on standard error, before any output of the command.
    """
    options = ["-o", "ClearAllForwardings=no", "-o", "ExitOnForwardFailure=yes"]
    host = f"[{sshd.host}]" if ":" in sshd.host else sshd.host
    return [*options, "-R", f"127.0.0.1:0:{host}:{sshd.port}"]


def allocated_port(line: str) -> int | None:
    """The client's port, if this is the line in which ssh tells it (clientloop.c, ssh.c)."""
    match = re.match(r"Allocated port (\d{1,5}) for remote forward to ", line)
    return int(match[1]) if match else None


# OpenSSH's own wording (ssh.c, sshconnect.c, sshconnect2.c, readconf.c), in order of precedence.
_NO_FORWARD = re.compile(r"remote port forwarding failed", re.IGNORECASE)
_NO_BINDING = re.compile(
    r"agent refused operation|Bad configuration option: \"?knownhostscommand", re.IGNORECASE
)
_NO_KEY = re.compile(r"Permission denied \(publickey", re.IGNORECASE)
_STRANGER = re.compile(
    r"No \S+ host key is known|Host key verification failed|HOST IDENTIFICATION HAS CHANGED",
    re.IGNORECASE,
)
_UNREACHABLE = re.compile(
    r"Could not resolve hostname[^\n]*|connect to host [^\n]*|Connection timed out[^\n]*"
    # borg's own "Connection closed by remote host" gives no reason, so it is left out.
    r"|Connection (?:closed|reset) by (?!remote)[^\n]*|kex_exchange_identification[^\n]*"
    r"|banner exchange[^\n]*",
    re.IGNORECASE,
)


def from_client(text: str, target: Target) -> BorgpullError | None:
    """The error if the client did not reach the sidecar, by the messages of its ssh and ours.

    None if the messages show no such failure. The text must come from after the login to the
    client: ssh words both directions alike.
    """
    text = text[-READ_CHARS:]
    if _NO_FORWARD.search(text):
        return errors.ForwardingRefused(f"{target} refuses to forward a port")
    if _NO_BINDING.search(text):
        return errors.AgentUnsupported(f"the ssh of {target} cannot use a constrained agent")
    if _NO_KEY.search(text):
        return errors.ForwardingRefused(f"{target} has no key to show: no agent was forwarded")
    if _STRANGER.search(text):
        return errors.ConnectBackFailed(f"{target} finds another server at the sidecar's address")
    if match := _UNREACHABLE.search(text):
        reason = match[0].strip().rstrip(".")
        return errors.ConnectBackFailed(f"{target} cannot reach the sidecar: {reason}")
    return None
