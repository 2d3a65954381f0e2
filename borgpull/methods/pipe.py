"""pipe: borg on the client, and its protocol through one plain command of ssh.

`borg serve` here and borg there are joined by the standard input and output of that command: no
forwarding, agent, socket or port, and no privilege on this side.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from borgpull.borg.command import Borg
from borgpull.client.borg import ClientBorg, serve
from borgpull.events import Emit
from borgpull.methods import onclient
from borgpull.methods.base import Source
from borgpull.model import JobSpec
from borgpull.process import Running, running


@contextlib.contextmanager
def open_source(job: JobSpec, borg: Borg, folder: Path, emit: Emit) -> Iterator[Source]:
    with onclient.open_source(job, borg, folder, emit, link=link) as source:
        yield source


@contextlib.contextmanager
def link(_job: JobSpec, there: ClientBorg, _folder: Path) -> Iterator[onclient.Start]:
    @contextlib.contextmanager
    def start(command: str, *words: str) -> Iterator[Running]:
        read_end, write_end = os.pipe()
        with os.fdopen(read_end, "rb") as requests, os.fdopen(write_end, "wb", 0) as from_client:
            rsh = f"sh {there.place.folder}/rsh"
            with there.through("channel", rsh, command, *words, stdout=from_client) as (child, to):
                from_client.close()
                argv, env = serve(there.server), there.server.env(None)
                with running(argv, name="borg serve", env=env, stdin=requests, stdout=to):
                    # Each end must be open in one process only, or nobody sees the other's end.
                    requests.close()
                    to.close()
                    yield child

    yield start
