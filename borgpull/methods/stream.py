"""stream: a helper reads on the client, and borg's own code here makes the archive of it.

A Python of the client runs the helper from memory. Nothing is written there, and no key or
passphrase leaves this side. The archive waits for its name until all is judged: it has none before.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from borgpull import events
from borgpull.borg import messages, streaming
from borgpull.borg.command import Borg, exclude_args
from borgpull.borg.create import Created, Order, watch
from borgpull.borg.streaming import Engine, Report
from borgpull.client import helper
from borgpull.client.facts import Facts
from borgpull.client.hello import bars
from borgpull.client.mounts import of_client
from borgpull.errors import BorgFailed, BorgpullError, ConnectionLost
from borgpull.events import Emit
from borgpull.jobs import Backup
from borgpull.methods import clock, named
from borgpull.methods.base import Ahead, Source, Verdict, not_ahead
from borgpull.methods.onclient import worth_a_line
from borgpull.ssh import machine, route
from borgpull.ssh.session import Session, connected

# Server-side borgs that are used after the archive is saved: for a look at it.
AFTERWARDS = 1
MAX_ASKED = 10_000  # names that are looked for once more


@contextlib.contextmanager
def open_source(
    job: Backup, borg: Borg, folder: Path, emit: Emit, ready: Callable[[], None]
) -> Iterator[Source]:
    """Start the helper. Raises as `helper.started`; OtherMachine, PathMissing, ssh's errors."""
    access = job.access
    config = route.to_client(access, job.places, job.client, folder)
    events.phase(emit, "connect", f"connecting to {access.target}")
    with (
        streaming.started(borg) as (engine, *theirs),  # its code is loaded meanwhile
        connected(config, folder) as session,
        machine.same(job, folder),
        helper.started(
            session,
            job.paths,
            engine.answers,
            engine.requests,
            (theirs[0], theirs[1]),
            sudo=access.sudo,
        ) as (there, facts, hollow),
    ):
        machine.saw_aes(folder, facts.aes)
        clock.tell(facts, emit)
        named.require_there(access.target, job.paths, facts)
        ready()
        source = Streamed(job, borg, session, engine, there, facts, hollow, emit)
        try:
            yield source
        except BorgpullError:
            source.keep()
            raise


class Streamed(Source):
    """A client with a helper, and the engine that makes an archive of what it sends."""

    client_could_write = False

    def __init__(
        self,
        job: Backup,
        borg: Borg,
        session: Session,
        engine: Engine,
        there: helper.Helper,
        facts: Facts,
        hollow: Sequence[str],
        emit: Emit,
    ) -> None:
        self._job, self._borg, self._session, self._emit = job, borg, session, emit
        self._engine, self._helper = engine, there
        self._mounts = of_client(facts.mounts or None, job.paths, hollow)
        self._report: Report | None = None
        self._waits = False  # does a whole archive wait for its name?
        self.left_out = self._mounts.facts()
        self.empty = named.empty(job, facts, emit)

    def alive(self) -> bool:
        return self._session.alive()

    def create(self, order: Order, ahead: Ahead = not_ahead) -> Created:
        """Read all, up to the moment in which the archive could be saved.

        Raises HostileClient, ConnectionLost, borg's errors.
        """
        start_ahead = functools.cache(lambda: ahead(AFTERWARDS))
        roots = [path.lstrip("/") or "." for path in self._job.roots]
        paths = [path.lstrip("/") or "." for path in self._job.paths]
        timed = [] if order.dry_run else ["--timestamp", order.time]
        options = ["--filter", worth_a_line(order), *timed]
        options += exclude_args(self._mounts.patterns())
        options += ["--checkpoint-interval", str(self._job.checkpoint_interval)]
        words = order.words(*options, paths=roots)
        self._helper.go(self._job.roots, bars(self._mounts))
        self._engine.order(self._borg.argv("create", *words), roots, paths)
        try:
            done = watch(
                self._engine,
                self._borg.client,
                order,
                alive=self.alive,
                emit=self._emit,
                heard=lambda _finished: start_ahead(),
            )
        except BorgFailed as error:
            raise self._why(error) from None
        self._helper.require_ended_well()
        if not order.dry_run:
            self._settle(done)
        return done

    def _why(self, error: BorgFailed) -> BorgpullError:
        """The error of a failed engine."""
        found = self._engine.why(error)
        if isinstance(found, streaming.Cut):
            text = f"the connection to {self._borg.client} broke during the run"
            return self._helper.lost() or ConnectionLost(text)
        return found

    def _settle(self, done: Created) -> None:
        """Take over what the engine has counted. Raises BorgFailed if it says nothing."""
        self._report = report = self._engine.report
        if report is None:
            raise BorgFailed(f"borg ended early for {self._borg.client}, and does not say why")
        done.name = report.name
        done.named.settle({path: (kind, full) for path, (kind, full) in report.named.items()})
        self._waits = True

    def verify(self, done: Created) -> Verdict:
        """The helper has read the files itself, and the engine has compared all its counts."""
        assert self._report is not None
        changed = tuple(item.path for item in done.warnings if item.kind == messages.CHANGED)
        return Verdict(
            done,
            changed=changed,
            counts=self._report.items,
            size=self._report.bytes,
            times=self._report.times,
        )

    def rename(self, verdict: Verdict, name: str) -> None:
        """Save the archive by its name. Raises borg's errors."""
        self._waits = False
        saved = self._engine.save(name, self._emit)
        done = verdict.done
        done.name, done.stats = saved.name, saved.stats
        with contextlib.suppress(KeyError):  # borg here counts a file with its first name only
            done.stats["archive"]["stats"]["nfiles"] += done.statuses["h"]

    def keep(self) -> None:
        """After a bad judgement: save the archive by its unverified name, for what it has."""
        if self._waits and self._report is not None:
            self._waits = False
            with contextlib.suppress(BorgpullError):
                self._engine.save(self._report.name, self._emit)

    def there_again(self, paths: Sequence[str]) -> list[str]:
        """All beyond MAX_ASKED count as there. Raises ConnectionLost."""
        asked = [f"/{path}" for path in paths[:MAX_ASKED]]
        found = helper.look(self._session, asked, sudo=self._job.access.sudo)
        found += [True] * (len(paths) - len(asked))
        return [path for path, there in zip(paths, found, strict=True) if there]

    def losses(self) -> dict[str, int | None]:
        """They are counted while the archive is made."""
        return {}
