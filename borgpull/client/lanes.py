"""More channels to a helper of `stream`, for its answers (`borg/inside/lanes.py`)."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import IO

from borgpull.client import helper, shell
from borgpull.client.sudo import as_root
from borgpull.process import pipe, running
from borgpull.ssh.session import Session


@contextlib.contextmanager
def opened(session: Session, name: str, ends: Sequence[IO[bytes]], *, sudo: bool) -> Iterator[None]:
    """Begin to open one for each of `ends`, which take what comes by it, and are closed here.

    A client may refuse some of them (sshd_config(5), MaxSessions): then its helper has fewer.
    """
    argv = session.command(*as_root(sudo), *shell.WORDS)
    with contextlib.ExitStack() as stack:
        for number, end in enumerate(ends):
            reads, writes = stack.enter_context(pipe())
            stack.enter_context(running(argv, name="lane", stdin=reads, stdout=end, grace=5))
            reads.close()
            end.close()
            helper.send(writes, helper.lane(name, number))
        yield
