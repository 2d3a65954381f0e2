"""pipe: borg on the client, and its protocol through one plain command of ssh.

`borg serve` here and borg there are joined by the standard input and output of that command: no
forwarding, agent, socket or port, and no privilege on this side.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from borgpull.borg.command import Borg
from borgpull.client.borg import ClientBorg
from borgpull.events import Emit
from borgpull.methods import forced, onclient
from borgpull.methods.base import Source
from borgpull.model import JobSpec


@contextlib.contextmanager
def open_source(job: JobSpec, borg: Borg, folder: Path, emit: Emit) -> Iterator[Source]:
    with onclient.open_source(job, borg, folder, emit, link=link, forced=forced.source) as source:
        yield source


@contextlib.contextmanager
def link(_job: JobSpec, there: ClientBorg, _folder: Path) -> Iterator[onclient.Start]:
    yield there.joined
