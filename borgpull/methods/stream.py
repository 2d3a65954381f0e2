"""stream: a reader sends the client's files, and borg's own code here makes the archive of them.

A Python of the client runs our helper from memory; without one, SFTP reads. Nothing is written
there, and no key or passphrase leaves this side. The archive waits for its name until all is
judged: it has none before.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from borgpull import events
from borgpull.borg import messages, streaming
from borgpull.borg.command import Borg, exclude_args
from borgpull.borg.create import Created, Order, watch
from borgpull.borg.named import absolute
from borgpull.borg.streaming import Report
from borgpull.client.ctimes import devices
from borgpull.client.hello import bars
from borgpull.client.helper import plan_of
from borgpull.client.mounts import of_client, parse
from borgpull.errors import BorgFailed, BorgpullError, ConnectionLost
from borgpull.events import Emit
from borgpull.jail.findings import CLOCK_SECONDS
from borgpull.jobs import Backup
from borgpull.methods import clock, keylimits, named, plans, reading
from borgpull.methods.arrivals import judge_gone, judge_names
from borgpull.methods.base import Ahead, Ready, Source, Verdict, lists_archives, not_ahead
from borgpull.methods.lines import uncounted
from borgpull.outputs.backups import Manifest
from borgpull.readers import choice
from borgpull.readers.choice import READERS, Started
from borgpull.ssh import ahead, machine
from borgpull.ssh.session import Session
from borgpull.state import manifests, rereads

MAX_ASKED = 10_000  # names that are looked for once more


@contextlib.contextmanager
def open_source(
    job: Backup, borg: Borg, folder: Path, emit: Emit, ready: Ready
) -> Iterator[Source]:
    """Start a reader. Raises as `choice.started`; OtherMachine, PathMissing, ssh's errors."""
    access = job.access
    events.phase(emit, "connect", f"connecting to {access.target}")
    with contextlib.ExitStack() as stack:

        @functools.cache
        def session() -> Session:
            made = stack.enter_context(ahead.to_client(job, folder))
            stack.enter_context(machine.same(job, folder))
            return made

        # No other one finds tags, or packs what it sends.
        wanted = "python" if job.skips.reasons() or job.compress_link == "on" else job.reader
        early = lists_archives(job)
        engine = functools.partial(streaming.started, borg, Path(job.places.state), early=early)
        plan = plan_of(job.roots, {}, reading.how(job))
        started = choice.started(
            engine, session, job.paths, wanted, emit, sudo=access.sudo, plan=plan
        )
        reader = stack.enter_context(started)
        facts = reader.facts
        machine.saw_aes(folder, facts.aes)
        clock.tell(facts, emit)
        keylimits.require_allowed(job, facts)
        named.require_there(access.target, job.paths, facts)
        if not reader.helper.names:
            events.warning(emit, "the client has no /etc/passwd: owners are saved as numbers only")
        ready(reader.engine.listing() if early else None)
        source = Streamed(job, borg, session(), reader, emit)
        try:
            yield source
        except BorgpullError:
            source.keep()
            raise


class Streamed(Source):
    """A client with a reader, and the engine that makes an archive of what it sends."""

    client_could_write = False

    def __init__(
        self,
        job: Backup,
        borg: Borg,
        session: Session,
        started: Started[streaming.Engine],
        emit: Emit,
    ) -> None:
        self._job, self._borg, self._session, self._emit = job, borg, session, emit
        self._engine, self._helper, facts = started.engine, started.helper, started.facts
        self.reader = started.name
        self._reader = READERS[started.name]
        unseen = None if self._reader.OUTLASTS else clock.passed(facts) * 10**9
        view = {"by": facts.view, "devices": devices(facts.mounts, facts.release)}
        # Where and when the client is looked at.
        self._seen: dict[str, Any] = {"began": facts.time, "unseen": unseen, "view": view}
        self._mounts = of_client(facts.mounts or None, job.paths, started.hollow)
        self._types = parse(facts.mounts)
        self._plan = plans.plan(job, self._mounts)
        self._report: Report | None = None
        self._waits = False  # does a whole archive wait for its name?
        self.left_out = self._mounts.facts()
        self.empty = named.empty(job, facts, emit)
        self._state = Path(job.places.state)
        self._id = ""  # of the archive, once it has its name

    def alive(self) -> bool:
        return self._session.alive()

    def create(self, order: Order, ahead: Ahead = not_ahead) -> Created:
        """Read all, up to the moment in which the archive could be saved.

        Raises HostileClient, ConnectionLost, borg's errors.
        """
        roots = [path.lstrip("/") or "." for path in self._job.roots]
        paths = [path.lstrip("/") or "." for path in self._job.paths]
        timed = [] if order.dry_run else ["--timestamp", order.time]
        options = ["--filter", uncounted(order), *timed, *self._reader.CREATE_ARGS]
        options += exclude_args(self._mounts.patterns())
        options += ["--checkpoint-interval", str(self._job.checkpoint_interval)]
        options += ["--numeric-ids"] if self._job.numeric_ids else []
        words = order.words(*options, paths=roots)
        more: dict[str, Any] = {"check": asdict(self._plan)}
        if self._reader.SEES_ALL:
            more = reading.how(self._job)
        self._helper.go(self._job.roots, bars(self._mounts), more)
        argv = self._borg.words("create", *words)
        share = self._job.reread
        reread = rereads.plan(self._state, self._borg.client, share) if share else None
        book = None
        if not order.dry_run:
            book = manifests.plan(self._state, self._borg.client, self._reader.CARRIES)
        compares = self._reader.COMPARES
        self._engine.order(
            *(argv, roots, paths),
            compares=compares,
            read_back=self._job.read_back,
            **self._seen,
            reread=reread,
            manifest=book,
            rate=self._job.limit_rate,
            may_skip=self._job.skips.reasons(),
        )
        ahead(0)
        with contextlib.ExitStack() as stack:
            self._engine.more = lambda call: stack.enter_context(self._lanes(call))
            try:
                name = self._borg.client
                done = watch(self._engine, name, order, alive=self.alive, emit=self._emit)
            except BorgFailed as error:
                raise self._why(error) from None
            if order.dry_run or self._reader.SEES_ALL:  # another one is not at its end
                self._helper.require_ended_well()
        self._take_skipped()
        if not order.dry_run:
            self._settle(done)
        return done

    def _lanes(self, call: str) -> AbstractContextManager[None]:
        """More channels to the helper that answers to this call."""
        from borgpull.client import lanes  # most runs have one

        ends, sudo = self._engine.lanes, self._job.access.sudo
        return lanes.opened(self._session, call, ends, sudo=sudo)

    def _take_skipped(self) -> None:
        """What the reader has left out by the user's options, and told of."""
        found = self._engine.skipped
        told = {item["path"]: item for item in self.left_out}
        for path in found.mounts:
            mount = absolute(path)
            fstype = self._types.get(mount, "unknown")
            told.setdefault(mount, {"path": mount, "fstype": fstype})
        self.left_out = tuple(told.values())
        if self._job.skips.reasons():
            paths = list(map(absolute, found.tagged_paths))
            self.tagged = {"folders": found.tagged, "paths": paths}

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
        self.reread = report.reread
        self.sent_bytes, self.reads = report.received, self._engine.reads
        done.name, done.read = report.name, [] if done.fresh else report.read
        done.statuses.update(report.statuses)
        done.named.settle({path: (kind, full) for path, (kind, full) in report.named.items()})
        self._waits = True

    def verify(self, done: Created) -> Verdict:
        """The reader has looked at each file itself, and the engine has compared all its counts.

        What SFTP may have hidden, the client's own walk shows.
        """
        assert self._report is not None
        found, sure = self._helper.check(self._plan)
        since = self._plan.started + (sure["skew"] or 0.0) - CLOCK_SECONDS
        lost, came = judge_names(self._session.config, found, sure, since)
        again, vanished = judge_gone(found, self._job.paths, self.there_again)
        changed = tuple(item.path for item in done.warnings if item.kind == messages.CHANGED)
        return Verdict(
            done,
            changed=changed,
            counts=self._report.items,
            size=self._report.bytes,
            times=self._report.times,
            lost=(*lost, *again),
            came=tuple(came),
            vanished=tuple(vanished),
            listings=sure["checked"],
        )

    def rename(self, verdict: Verdict, name: str) -> None:
        """Save the archive by its name. Raises RepositoryDamaged, borg's errors."""
        self._waits = False
        try:
            saved = self._engine.save(name, self._emit, verified=True)
        except BorgFailed as error:
            raise self._why(error) from None
        done = verdict.done
        done.name, done.stats = saved.name, saved.stats
        self.read_back = self._engine.read_back
        self._id = str(saved.stats.get("archive", {}).get("id"))
        with contextlib.suppress(KeyError):  # borg here counts a file with its first name only
            done.stats["archive"]["stats"]["nfiles"] += done.statuses["h"]

    def row(self, borg: Borg, name: str) -> dict[str, Any] | None:
        """By the engine, which has read it anew: another borg would take a while to start."""
        found = self._engine.row
        return found if found is not None and found["name"] == name else None

    def keep(self) -> None:
        """After a bad judgement: save the archive by its unverified name, for what it has."""
        if self._waits and self._report is not None:
            self._waits = False
            with contextlib.suppress(BorgpullError):
                self._engine.save(self._report.name, self._emit, verified=False)

    def there_again(self, paths: Sequence[str]) -> list[str]:
        """All beyond MAX_ASKED count as there. Raises ConnectionLost."""
        asked = [f"/{path}" for path in paths[:MAX_ASKED]]
        found = self._reader.look(self._session, asked, sudo=self._job.access.sudo)
        found += [True] * (len(paths) - len(asked))
        return [path for path, there in zip(paths, found, strict=True) if there]

    def accept(self) -> None:
        if self.reread is not None:
            rereads.done(self._state, self._borg.client)

    def manifest(self) -> Manifest:
        """Raises ConfigError if the engine has kept none; DiskFull, StorageFailed."""
        found = manifests.kept(self._state, self._borg.client, self._id)
        return {**found, "reader": self.reader} if self.reader else found

    def losses(self) -> dict[str, int | None]:
        """Times are counted while the archive is made; a helper carries all else."""
        lost, mounts, config = self._reader.LOSES, self._mounts, self._session.config
        if not lost:
            return {}
        from borgpull.methods import losses  # most readers lose nothing

        walk = (mounts.starts(self._job.roots), mounts.points())
        found = losses.by_sftp(config, *walk, sudo=self._job.access.sudo)
        return {name: found[name] for name in lost}
