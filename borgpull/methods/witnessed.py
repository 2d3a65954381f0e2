"""A manifest beside a backup: what the client has, seen by another program than the backup's.

A reader of `stream` lists the client while borg is at work, in one more session of the connection.
It hashes some of the files there (`state/samples.py`). Those that are the same since an earlier run
keep the sum that they had. Once the archive has its name, a child here compares the two, and keeps
the manifest (`borg/inside/witness.py`).
"""

from __future__ import annotations

import contextlib
import functools
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple, Self

from borgpull import events
from borgpull.borg import witness
from borgpull.borg.command import Borg
from borgpull.borg.manifest import BadManifest
from borgpull.borg.witness import Witness
from borgpull.client.hello import bars
from borgpull.client.mounts import Mounts
from borgpull.errors import BorgFailed, BorgpullError, ConnectionLost, HostileClient
from borgpull.events import Emit, silent
from borgpull.jail.findings import CLOCK_SECONDS
from borgpull.jobs import Backup
from borgpull.methods import plans
from borgpull.outputs.backups import Manifest, Reader
from borgpull.process import CommandError
from borgpull.readers import choice
from borgpull.readers.choice import READERS
from borgpull.ssh.session import Session
from borgpull.state import manifests, samples
from borgpull.trees.manifest import ALL, Carried

# A listing that is not at its end so long after the archive has its name is given up; or after
# twice the time that it had until then, if that is longer.
WAIT_SECONDS = 120.0
SHOWN = 20  # paths
ROTTEN = "have another content than an earlier run has seen, and the same times and size"

Connect = Callable[[contextlib.ExitStack], Session]
# Which of these (relative) paths are on the client? Raises ConnectionLost.
ThereAgain = Callable[[Sequence[str]], list[str]]


class _Listed(NamedTuple):
    """A witness that has heard all that the reader tells."""

    witness: Witness
    reader: Reader


class Witnessed:
    """The manifest of one run. On the way out, what still runs for it is ended."""

    def __init__(
        self,
        job: Backup,
        borg: Borg,
        connect: Connect,
        pool: Executor,
        emit: Emit,
        *,
        mounts: Mounts,
        roots: Sequence[str],
        without: Sequence[str] = (),
        kept: Sequence[Carried] = ALL,
        own: bool = False,
    ) -> None:
        """`without` are patterns of ours beside the job's, `kept` is what the method keeps.

        `own`: does `connect` make a connection for this alone?
        """
        self._job, self._borg, self._connect, self._pool = job, borg, connect, pool
        self._emit, self._mounts, self._roots = emit, mounts, list(roots)
        self._exclude = [*without, *job.exclude]
        self._kept, self._own = kept, own
        self._plan = plans.plan(job, mounts)
        self._state = Path(job.places.state)
        self._lock, self._over = threading.Lock(), False
        self._open = contextlib.ExitStack()  # of what has been listed
        self._session: Session | None = None
        self._begun = time.monotonic()
        self._listing: Future[_Listed] | None = None
        self._making: Future[Manifest] | None = None
        self._told: list[str] = []  # warnings
        self._doubt = ""  # why no sum of an earlier run is taken over

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._over = True
        if self._own and self._session is not None:
            self._session.master.stop(grace=1)  # what waits in a thread hears of it
        self._open.close()

    def begin(self) -> None:
        """List the client from now on, in a thread; once."""
        if self._listing is None:
            self._begun = time.monotonic()
            self._listing = self._pool.submit(self._list)

    def book(
        self, archive: str, archive_id: str, changed: Sequence[str], there: ThereAgain
    ) -> None:
        """The archive is recorded: make its manifest, in a thread, if the listing succeeds.

        `changed` are the paths that borg saw change.
        """
        self._make = functools.partial(self._made, archive, archive_id, list(changed), there)
        had = time.monotonic() - self._begun
        self._seconds = max(WAIT_SECONDS, 2 * had)
        if (listing := self._listing) is not None:
            make = self._make
            self._making = self._pool.submit(lambda: make(listing.result(self._seconds)))

    def manifest(self) -> Manifest:
        """What was kept. Raises BorgpullError if nothing was."""
        try:
            found = self._finished()
            for text in self._told:
                events.warning(self._emit, text)
            return found
        except TimeoutError:
            text = f"the client is not listed {self._seconds:.0f} s after the backup"
            raise BorgFailed(text) from None
        except (CommandError, OSError, ValueError, KeyError) as error:
            raise BorgFailed(f"it could not be made: {error}") from None

    def _finished(self) -> Manifest:
        try:
            if self._making is not None:
                return self._making.result(self._seconds)
        except HostileClient:
            raise
        except BorgpullError:  # a client may allow one session only: by now, no other one is open
            if self._listing is None or self._listing.exception() is None:
                raise
        self._listing = self._pool.submit(self._list)
        return self._make(self._listing.result(self._seconds))

    def _list(self) -> _Listed:
        """Raises BorgpullError, CommandError, OSError."""
        job = self._job
        with contextlib.ExitStack() as stack:
            session = self._connect(stack)
            self._session = session
            start = functools.partial(witness.started, self._borg)
            started = stack.enter_context(
                choice.started(
                    start, lambda: session, job.paths, None, silent, sudo=job.access.sudo
                )
            )
            reader = READERS[started.name]
            more: dict[str, Any] = {} if reader.SEES_ALL else {"check": asdict(self._plan)}
            started.helper.go(self._roots, bars(self._mounts), more)
            skew = started.facts.skew or 0.0
            started.engine.order(self._orders(reader.CARRIES, skew, hashes=reader.SEES_ALL))
            started.engine.listed()
            started.helper.require_ended_well()
            with self._lock:
                if self._over:
                    raise ConnectionLost("the run is over")
                self._open.push(stack.pop_all())
            return _Listed(started.engine, started.name)

    def _orders(self, carried: Sequence[Carried], skew: float, *, hashes: bool) -> dict[str, Any]:
        client = self._borg.client
        order = manifests.plan(self._state, client, carried, self._kept, some=True)
        sample = samples.plan(self._state, client, order["number"]) if hashes else None
        return {
            "roots": [path.lstrip("/") or "." for path in self._roots],
            "exclude": [*self._mounts.patterns(), *self._exclude],
            "allowed": list(self._job.allow_unreadable),
            "since": self._plan.started + skew - CLOCK_SECONDS,
            "manifest": order,
            "sample": sample,
            "earlier": self._earlier(carried),
        }

    def _earlier(self, carried: Sequence[Carried]) -> str | None:
        """The manifest whose sums may be taken over."""
        try:
            roots = [path.lstrip("/") or "." for path in self._roots]
            found = manifests.earlier(self._state, self._borg.client, roots, carried)
        except (BadManifest, OSError) as error:
            self._doubt = f"no sum of an earlier run is taken over: {error}"
            return None
        return str(found) if found is not None else None

    def _made(
        self,
        archive: str,
        archive_id: str,
        changed: list[str],
        there: ThereAgain,
        listed: _Listed,
    ) -> Manifest:
        """Raises BorgpullError, CommandError, OSError."""
        missing = listed.witness.missing(archive, archive_id, changed)
        left = there(missing) if missing else []
        listed.witness.keep(left)
        found = manifests.kept(self._state, self._borg.client, archive_id)
        found = {**found, "reader": listed.reader, "earlier": listed.witness.carried}
        if self._doubt:
            self._told.append(self._doubt)
        if rotten := listed.witness.rotten:
            found["differs"] = ["/" + path for path in rotten[:SHOWN]]
            self._told.append(f"{len(rotten)} files {ROTTEN}: /{rotten[0]}")
        if left:
            found["missing"] = ["/" + path for path in left[:SHOWN]]
            self._told.append(f"{len(left)} on the client, and not in the archive: /{left[0]}")
        if number := listed.witness.differs:
            self._told.append(f"{number} not in the archive as the client has them")
        return found
