"""pipe: borg on the client, and its protocol through one plain command of ssh.

`borg serve` here and borg there are joined by the standard input and output of that command: no
forwarding, agent, socket or port, and no privilege on this side.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path

from borgpull.borg.command import Borg
from borgpull.client.borg import ClientBorg
from borgpull.client.serve import Gate, served
from borgpull.events import Emit
from borgpull.methods import forced, onclient
from borgpull.methods.base import Source
from borgpull.model import JobSpec
from borgpull.process import Running


@contextlib.contextmanager
def open_source(job: JobSpec, borg: Borg, folder: Path, emit: Emit) -> Iterator[Source]:
    with onclient.open_source(job, borg, folder, emit, link=link, forced=forced.source) as source:
        yield source


@contextlib.contextmanager
def link(_job: JobSpec, there: ClientBorg, _folder: Path) -> Iterator[onclient.Way]:
    def start(
        command: str, *words: str, gate: Gate | None = None
    ) -> AbstractContextManager[Running]:
        return there.joined(served(there.server, gate), command, *words)

    yield onclient.Way(start, gates=True)
