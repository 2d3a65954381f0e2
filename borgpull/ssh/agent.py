"""An ssh-agent of our own for one run. Its key works for one route only, and for a limited time."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from borgpull.errors import SshServiceFailed, UnknownHostKey
from borgpull.process import CommandError, Running, run, running
from borgpull.ssh.keys import KeyPair

START_SECONDS = 20.0


@dataclass(frozen=True)
class Agent:
    """An agent that listens. ssh forwards it with `-o ForwardAgent=SOCKET`."""

    socket: Path
    child: Running


@contextmanager
def agent(folder: Path) -> Iterator[Agent]:
    """An empty ssh-agent in `folder` (private, 0700), ended on the way out.

    Raises SshServiceFailed.
    """
    socket = folder / "agent.sock"
    # -P: it loads no library, even if a client asks for one.
    argv = ["ssh-agent", "-D", "-a", str(socket), "-P", "/nonexistent"]
    with ExitStack() as stack:
        try:
            child = stack.enter_context(running(argv, name="ssh-agent", grace=5))
        except CommandError as error:
            raise SshServiceFailed(f"ssh-agent does not start: {error}") from None
        _await_listening(child)
        yield Agent(socket, child)


def _await_listening(child: Running) -> None:
    deadline = time.monotonic() + START_SECONDS
    for item in child.lines(tick=0.1):
        if item is not None and item[1].startswith(b"SSH_AUTH_SOCK="):
            return
        if time.monotonic() > deadline:
            break
    raise SshServiceFailed(f"ssh-agent does not start: {child.stderr()[-500:]}")


def add(
    agent: Agent,
    key: KeyPair,
    *,
    lifetime_seconds: int,
    hops: Sequence[str],
    known_hosts: Sequence[Path],
) -> None:
    """Give the key to the agent, for `lifetime_seconds` and for these hops alone.

    A hop is `HOST` or `HOST>USER@HOST` as in ssh-add(1). All hops of the route are needed
    (`back.hops`). Hosts have the names by which ssh looks them up in the `known_hosts` files, of
    which some may be missing. The agent compares host keys, not names. Raises UnknownHostKey if no
    file has a host; SshServiceFailed.
    """
    if not hops or lifetime_seconds < 1:
        raise ValueError("a key without a limit")
    argv = ["ssh-add", "-q", "-t", str(lifetime_seconds)]
    argv += [word for path in known_hosts for word in ("-H", str(path))]
    argv += [word for hop in hops for word in ("-h", hop)]
    try:
        run([*argv, str(key.private)], timeout=30, env={"SSH_AUTH_SOCK": str(agent.socket)})
    except CommandError as error:
        if "No host keys found" in error.stderr:
            raise UnknownHostKey(error.stderr.strip()) from None
        raise SshServiceFailed(f"ssh-agent does not take the key: {error}") from None
