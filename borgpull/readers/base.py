"""What a reader offers to `stream`."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

from borgpull.client.ends import Ends
from borgpull.client.facts import Facts
from borgpull.client.helper import Helper
from borgpull.ssh.session import Session
from borgpull.trees.manifest import Carried


class Reader(Protocol):
    """A module that reads a client's files for the engine, by the frames of `borg/inside/wire.py`.

    `CREATE_ARGS` are options for `borg create`, by what the reader cannot see. `SEES_ALL`: it sees
    every name on the client, and all that borg keeps of it. `COMPARES`: it can send only what
    differs from known pieces of a file. `OUTLASTS`: before it reads a file, it waits until the tick
    of the clock is over in which that has changed. `LOSES`: what of `losses.NAMES` it does not
    carry. `CARRIES`: what a manifest has by it.
    """

    CREATE_ARGS: tuple[str, ...]
    SEES_ALL: bool
    COMPARES: bool
    OUTLASTS: bool
    LOSES: tuple[str, ...]
    CARRIES: tuple[Carried, ...]

    def started(
        self,
        session: Session,
        paths: Sequence[str],
        ends: Ends,
        *,
        sudo: bool,
        plan: dict[str, Any] | None = None,
    ) -> AbstractContextManager[tuple[Helper, Facts, tuple[str, ...]]]:
        """Start it; yields it, what it says of the client, and which of FALLBACK are hollow.

        `plan` is of `helper.plan_of`, without bars, for a reader that may begin before it gets a
        word from us. Its own ends of the pipes are closed here. Raises ClientUnsuitable or NoSftp
        if the client does not have what it takes; SudoRefused, HostileClient, ConnectionLost.
        """

    def look(self, session: Session, paths: Sequence[str], *, sudo: bool) -> list[bool]:
        """Are the paths (absolute) on the client, or may they be? Raises ConnectionLost."""
