"""The readers of `stream`: what reads on the client, or from it. Each is a module in one dict."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import IO, Protocol

from borgpull import events
from borgpull.borg import streaming
from borgpull.borg.command import Borg
from borgpull.borg.streaming import Engine
from borgpull.client import helper, sftpreader
from borgpull.client.facts import Facts
from borgpull.client.helper import Helper
from borgpull.errors import ClientUnsuitable, NoSftp
from borgpull.events import Emit
from borgpull.outputs.backups import Reader as Name
from borgpull.ssh.session import Session


class Reader(Protocol):
    """A module that reads a client's files for the engine, by the frames of `borg/inside/wire.py`.

    `CREATE_ARGS` are options for `borg create`, by what the reader cannot see. `SEES_ALL`: it sees
    every name on the client, and all that borg keeps of it.
    """

    CREATE_ARGS: tuple[str, ...]
    SEES_ALL: bool

    def started(
        self,
        session: Session,
        paths: Sequence[str],
        answers: IO[bytes],
        requests: IO[bytes],
        theirs: tuple[IO[bytes], IO[bytes]],
        *,
        sudo: bool,
    ) -> AbstractContextManager[tuple[Helper, Facts, tuple[str, ...]]]:
        """Start it; yields it, what it says of the client, and which of FALLBACK are hollow.

        `theirs` are its ends of the pipes, which are closed here. Raises ClientUnsuitable or NoSftp
        if the client does not have what it takes; SudoRefused, HostileClient, ConnectionLost.
        """

    def look(self, session: Session, paths: Sequence[str], *, sudo: bool) -> list[bool]:
        """Are the paths (absolute) on the client, or may they be? Raises ConnectionLost."""


READERS: dict[Name, Reader] = {"python": helper, "sftp": sftpreader}


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
    """Start the wanted reader, or the first that the client has. Raises as the first one of them.

    The engine loads its code while `session` connects. Each reader has an engine of its own: what a
    shell without a Python has answered must not come to another one.
    """
    names = [name for name in READERS if wanted in (None, name)]
    if sudo:
        names = names[:1]  # SFTP cannot become root
    first: ClientUnsuitable | NoSftp | None = None
    for name in names:
        with contextlib.ExitStack() as stack:
            engine, *theirs = stack.enter_context(streaming.started(borg))
            reader, ends = READERS[name], (theirs[0], theirs[1])
            beginning = reader.started(
                *(session(), paths, engine.answers, engine.requests, ends), sudo=sudo
            )
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
