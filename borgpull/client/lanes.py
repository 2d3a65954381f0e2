"""More channels to a helper of `stream`, for its answers (`borg/inside/lanes.py`)."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import IO

from borgpull.client import helper, shell
from borgpull.client.ends import send
from borgpull.client.sudo import as_root
from borgpull.errors import ConnectionLost
from borgpull.process import CommandError, pipe, running
from borgpull.ssh.session import Session


@contextlib.contextmanager
def opened(session: Session, call: str, ends: Sequence[IO[bytes]], *, sudo: bool) -> Iterator[None]:
    """Begin to open a lane for each of `ends`, which take what comes by it, and are closed here.

    Some lanes may fail: a client may refuse them (sshd_config(5), MaxSessions), or no more
    processes can be started here. Then the helper has fewer.
    """
    argv = session.command(*as_root(sudo), *shell.WORDS)
    with contextlib.ExitStack() as stack:
        for number, end in enumerate(ends):
            reads, writes = stack.enter_context(pipe())
            with end, reads, contextlib.suppress(CommandError, ConnectionLost):
                stack.enter_context(running(argv, name="lane", stdin=reads, stdout=end, grace=5))
                send(writes, helper.lane(call, number))
        yield
