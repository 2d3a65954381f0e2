"""Which reader a client gets: the wanted one, or the first for which it has what it takes."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import IO, Any, Generic, NamedTuple, Protocol, TypeVar

from borgpull import events
from borgpull.client import helper
from borgpull.client.ends import Ends
from borgpull.client.facts import Facts
from borgpull.client.helper import Helper
from borgpull.errors import ClientUnsuitable, NoSftp, UsageError
from borgpull.events import Emit
from borgpull.outputs.backups import Reader as Name
from borgpull.readers.base import Reader
from borgpull.readers.sftp import start
from borgpull.readers.shell.start import ShellReader, fitting
from borgpull.ssh.session import Session

READERS: dict[Name, Reader] = {
    "python": helper,
    "find": ShellReader("find"),
    "busybox": ShellReader("busybox"),
    "sftp": start,
}


class Asking(Protocol):
    """What a reader answers to: our ends of the pipes."""

    answers: IO[bytes]
    requests: IO[bytes]


Engine = TypeVar("Engine", bound=Asking)
# Starts one; with the reader's ends of the pipes.
Start = Callable[[], AbstractContextManager[tuple[Engine, IO[bytes], IO[bytes]]]]


class Started(NamedTuple, Generic[Engine]):
    """A reader that has answered, and the engine that it answers to."""

    name: Name
    engine: Engine
    helper: Helper
    facts: Facts
    hollow: tuple[str, ...]


@contextlib.contextmanager
def started(
    start: Start[Engine],
    session: Callable[[], Session],
    paths: Sequence[str],
    wanted: str | None,
    emit: Emit,
    *,
    sudo: bool,
    plan: dict[str, Any] | None = None,
) -> Iterator[Started[Engine]]:
    """Start the wanted reader, or the first that the client has. `plan` is as in `base.Reader`.

    Raises as the first one of them; UsageError if none can do it. The engine loads its code while
    `session` connects. Each reader has an engine of its own: what a shell without a Python has
    answered must not come to another one.
    """
    if wanted is not None and (wanted not in READERS or (sudo and wanted == "sftp")):
        raise UsageError(f"no reader of this name fits: {wanted!r}")
    first: ClientUnsuitable | NoSftp | None = None
    for name in _tried(session, wanted, sudo=sudo):
        with contextlib.ExitStack() as stack:
            engine, *theirs = stack.enter_context(start())
            ends = Ends(engine.answers, engine.requests, (theirs[0], theirs[1]))
            beginning = READERS[name].started(session(), paths, ends, sudo=sudo, plan=plan)
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


def _tried(session: Callable[[], Session], wanted: str | None, *, sudo: bool) -> Iterator[Name]:
    """The best one first: each carries less than the one before it. Raises ConnectionLost.

    The client is asked for its tools once no Python has answered.
    """
    for name in READERS:
        if name == wanted:
            yield name
    if wanted is None:
        yield "python"
        if kind := fitting(session(), sudo=sudo):
            yield kind
        if not sudo:  # SFTP cannot become root
            yield "sftp"
