"""Which reader a client gets: the wanted one, or the first for which it has what it takes."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from borgpull import events
from borgpull.borg import streaming
from borgpull.borg.command import Borg
from borgpull.borg.streaming import Engine
from borgpull.client import helper
from borgpull.client.facts import Facts
from borgpull.client.helper import Ends, Helper
from borgpull.errors import ClientUnsuitable, NoSftp, UsageError
from borgpull.events import Emit
from borgpull.outputs.backups import Reader as Name
from borgpull.readers.base import Reader
from borgpull.readers.sftp import start
from borgpull.readers.shell.start import ShellReader
from borgpull.ssh.session import Session

READERS: dict[Name, Reader] = {
    "python": helper,
    "find": ShellReader("find"),
    "busybox": ShellReader("busybox"),
    "sftp": start,
}
# These are tried in their order; another one must be asked for.
TRIED: tuple[Name, ...] = ("python", "sftp")


@dataclass(frozen=True)
class Started:
    """A reader that has answered, and the engine that it answers to."""

    name: Name
    engine: Engine
    helper: Helper
    facts: Facts
    hollow: tuple[str, ...]


@contextlib.contextmanager
def started(
    borg: Borg,
    session: Callable[[], Session],
    paths: Sequence[str],
    wanted: str | None,
    emit: Emit,
    *,
    sudo: bool,
) -> Iterator[Started]:
    """Start the wanted reader, or the first that the client has.

    Raises as the first one of them; UsageError if none can do it. The engine loads its code while
    `session` connects. Each reader has an engine of its own: what a shell without a Python has
    answered must not come to another one.
    """
    # SFTP cannot become root.
    possible = TRIED if wanted is None else tuple(n for n in READERS if n == wanted)
    names = [n for n in possible if not (sudo and n == "sftp")]
    if not names:
        raise UsageError(f"no reader of this name fits: {wanted!r}")
    first: ClientUnsuitable | NoSftp | None = None
    for name in names:
        with contextlib.ExitStack() as stack:
            engine, *theirs = stack.enter_context(streaming.started(borg))
            ends = Ends(engine.answers, engine.requests, (theirs[0], theirs[1]))
            beginning = READERS[name].started(session(), paths, ends, sudo=sudo)
            try:
                there, facts, hollow = stack.enter_context(beginning)
            except (ClientUnsuitable, NoSftp) as error:
                first = first or error
                continue
            if first is not None:
                events.note(emit, f"{first.message}: the reader is {name}")
            yield Started(name, engine, there, facts, hollow)
            return
    assert first is not None
    raise first
