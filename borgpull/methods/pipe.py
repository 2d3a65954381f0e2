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
from borgpull.borg.serve import Gate, served
from borgpull.client.borg import ClientBorg
from borgpull.events import Emit
from borgpull.jobs import Backup
from borgpull.methods import forced, onclient
from borgpull.methods.base import Ready, Source
from borgpull.process import Running


@contextlib.contextmanager
def open_source(
    job: Backup, borg: Borg, folder: Path, emit: Emit, ready: Ready
) -> Iterator[Source]:
    with onclient.open_source(
        job, borg, folder, emit, ready, link=link, forced=forced.source
    ) as source:
        yield source


@contextlib.contextmanager
def link(_job: Backup, there: ClientBorg, _folder: Path) -> Iterator[onclient.Way]:
    def start(
        command: str, *words: str, gate: Gate | None = None
    ) -> AbstractContextManager[Running]:
        return there.joined(served(there.server, gate), command, *words)

    yield onclient.Way(start, gates=True)
