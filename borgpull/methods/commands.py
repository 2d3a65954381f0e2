"""A client on which borg makes the archive and renames it, by one command each."""

from __future__ import annotations

import functools
from abc import abstractmethod
from contextlib import AbstractContextManager

from borgpull.borg import guard, locks, repository
from borgpull.borg.command import Borg
from borgpull.borg.create import Created, Order, watch
from borgpull.client.room import WhoseDisk
from borgpull.events import Emit
from borgpull.methods.base import Ahead, Source, Verdict, not_ahead
from borgpull.methods.renaming import Renaming
from borgpull.methods.told import verify
from borgpull.outputs.backups import Mount
from borgpull.process import Running
from borgpull.ssh.session import Session

# Server-side borgs that are started during a create and used after it: for the verification, for a
# look at the archive's final name, and for the last list.
AFTERWARDS = 3


class ByCommands(Source):
    """A client with a connection, a borg, and a disk of its own that may fill up."""

    client_could_write = True

    def __init__(
        self,
        server: Borg,
        session: Session,
        emit: Emit,
        own_disk: WhoseDisk,
        renaming: Renaming,
        left_out: tuple[Mount, ...] = (),
        empty: tuple[str, ...] = (),
    ) -> None:
        self.left_out, self.empty = left_out, empty
        self._server, self._session, self._emit = server, session, emit
        self._own_disk, self._renaming = own_disk, renaming
        self._ordered = ""  # the time of the archive

    @abstractmethod
    def start(self, order: Order) -> AbstractContextManager[Running]:
        """A `borg create` on the client, under way."""

    def busy(self) -> None:
        """The client's borg is at work, and this side has time."""

    def alive(self) -> bool:
        return self._session.alive()

    def create(self, order: Order, ahead: Ahead = not_ahead) -> Created:
        """Raises ArchiveNotMade, RepositoryTampered, ConnectionLost, borg's errors."""

        @functools.cache
        def begun() -> None:
            ahead(AFTERWARDS)
            if not order.dry_run:
                self.busy()

        def heard(finished: bool) -> None:
            if finished:
                self._renaming.prepare(order)
            else:  # the client's borg is at work, and this side has little to do from now on
                begun()

        with self._own_disk, self.start(order) as child:
            done = watch(
                child, self._server.client, order, alive=self.alive, emit=self._emit, heard=heard
            )
        check(self._server, order, done)
        self._ordered = order.time
        return done

    def verify(self, done: Created) -> Verdict:
        return verify(self._server, done, self._ordered)

    def rename(self, verdict: Verdict, name: str) -> None:
        with self._own_disk:
            self._renaming(verdict.done.name, name)

    def losses(self) -> dict[str, int | None]:
        return {"times": None}


def check(server: Borg, order: Order, done: Created) -> None:
    """Did the client make what was ordered, by its own word, and is the configuration unchanged?

    Raises ArchiveNotMade, RepositoryTampered.
    """
    locks.await_release(server)
    guard.compare(server.repository, guard.keep_of(server))
    if not order.dry_run and not order.fits(done.name):
        raise repository.not_there(done.name)
