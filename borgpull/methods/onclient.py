"""What the methods with borg on the client share: a folder there, a borg, and its three commands.

Each method adds a `Link`: how that borg reaches `borg serve` on this side.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor, wait
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from borgpull import events
from borgpull.addresses import Target
from borgpull.borg import guard, locks
from borgpull.borg.command import Borg, exclude_args, literal, location
from borgpull.borg.create import Created, Order
from borgpull.borg.serve import Gate
from borgpull.client import room
from borgpull.client.borg import ClientBorg, choose
from borgpull.client.folder import Place
from borgpull.client.mounts import of_client
from borgpull.client.setup import setup, sweep
from borgpull.errors import BorgFailed, BorgpullError, ClientUnsuitable, ConfigError
from borgpull.events import Emit
from borgpull.jobs import Access, Backup
from borgpull.methods import clock, losses, named
from borgpull.methods.base import Ready, Source, Verdict
from borgpull.methods.commands import ByCommands
from borgpull.methods.lines import worth_a_line
from borgpull.methods.renaming import Renaming, Start
from borgpull.methods.vanished import there_again
from borgpull.methods.witnessed import Witnessed
from borgpull.outputs.backups import Manifest
from borgpull.process import Running
from borgpull.ssh import back, machine, route
from borgpull.ssh.config import SshConfig
from borgpull.ssh.session import Session, connected
from borgpull.ssh.sshd import ALIAS


@dataclass(frozen=True)
class Way:
    """From a borg on the client to this side's `borg serve`."""

    start: Start
    gates: bool = False  # does `start` take a gate?


# What is done beside the rest: the losses are counted; the client is listed, and then compared.
THREADS = 3
Link = Callable[[Backup, ClientBorg, Path], AbstractContextManager[Way]]
Forced = Callable[[Backup, Borg, Place, Emit], AbstractContextManager[Source]]


@contextlib.contextmanager
def open_source(
    job: Backup,
    borg: Borg,
    folder: Path,
    emit: Emit,
    ready: Ready,
    *,
    link: Link,
    forced: Forced | None = None,
    forwarding: bool = False,
    options: Callable[[SshConfig], list[str]] = lambda config: [],
) -> Iterator[Source]:
    """Ready the client and yield what a backup can do. Raises OtherMachine, ssh's errors.

    `forced` is for keys that may only run the command of `borgpull authorize`.
    """
    access, paths = job.access, job.paths
    config = route.to_client(access, job.places, job.client, folder, forwarding=forwarding)
    saved = borg.base.parent / "client-cache.tar"
    events.phase(emit, "connect", f"connecting to {access.target}")
    with (
        # The end of the connection ends what a thread does on the client, so that comes first.
        ThreadPoolExecutor(THREADS) as pool,
        connected(config, folder, options(config)) as session,
        machine.same(job, folder),
        placed(session, access, identity(borg), paths, keep=job.keep_runtime, cache=saved) as place,
    ):
        machine.saw_aes(folder, place.facts.aes)
        clock.tell(place.facts, emit)
        if place.facts.forced:
            if forced is None:
                raise ClientUnsuitable(
                    f"the key for {access.target} is limited to a command of its own",
                    hint=f"only pipe works with it: borgpull pipe {access.target}",
                )
            ready(None)
            with guarded(borg), forced(job, borg, place, emit) as found:
                yield found
            return
        program = choose(place, access.client_borg)
        place.bring_cache(saved)
        there = ClientBorg(place, program, borg)
        ready(None)
        with (
            guarded(borg),
            link(job, there, folder) as way,
            source(job, there, way, saved, pool, emit) as found,
        ):
            yield found


@contextlib.contextmanager
def source(
    job: Backup, there: ClientBorg, way: Way, saved: Path, pool: Executor, emit: Emit
) -> Iterator[Source]:
    def rename(old: str, new: str, **held: Gate | None) -> AbstractContextManager[Running]:
        return way.start("rename", "--", location(old), literal(new), **held)

    own, place = rename if there.renames() else None, there.place
    witnessed = Witnessed(
        *(job, there.server, lambda _: place.session, pool, emit),
        mounts=of_client(place.facts.mounts or None, job.paths),
        roots=named.roots(job, place.facts),
        without=[f"pp:{place.folder}"],
    )
    with Renaming(there.server, place.session, own, ahead=way.gates) as renaming, witnessed:
        yield OnClient(job, there, way, saved, pool, emit, renaming, witnessed)


class OnClient(ByCommands):
    """A borg on the client that the server commands freely."""

    def __init__(
        self,
        job: Backup,
        there: ClientBorg,
        way: Way,
        saved: Path,
        pool: Executor,
        emit: Emit,
        renaming: Renaming,
        witnessed: Witnessed,
    ) -> None:
        place = there.place
        self._witnessed = witnessed
        self._changed: Sequence[str] = ()
        self._place, self._way, self._saved, self._keep = place, way, saved, job.keep_runtime
        self._pool = pool
        self._counting: Future[losses.Losses] | None = None
        self._mounts = of_client(place.facts.mounts or None, job.paths)
        self._roots = named.roots(job, place.facts)
        patterns = [*self._mounts.patterns(), f"pp:{place.folder}"]
        self._options = exclude_args(patterns)
        self._options += ["--checkpoint-interval", str(job.checkpoint_interval)]
        super().__init__(
            there.server,
            place.session,
            emit,
            room.WhoseDisk(place.session.config.target, place.folder),
            renaming,
            left_out=self._mounts.facts(),
            empty=named.empty(job, place.facts, emit),
        )

    def start(self, order: Order) -> AbstractContextManager[Running]:
        timed = [] if order.dry_run else ["--timestamp", order.time]
        paths = [path.lstrip("/") or "." for path in self._roots]
        options = ("--filter", worth_a_line(order), *timed, *self._options)
        return self._way.start("create", *order.words(*options, paths=paths))

    def busy(self) -> None:
        self._witnessed.begin()

    def there_again(self, paths: Sequence[str]) -> list[str]:
        return there_again(lambda script, data: self._place.shell(f"cd / && {script}", data), paths)

    def accept(self) -> None:
        if not self._keep:
            self._place.fetch_cache(self._saved)

    def verify(self, done: Created) -> Verdict:
        """Meanwhile the client, which has no part in this, counts the losses."""
        skip = [*self._mounts.points(), self._place.folder]
        starts = self._mounts.starts(self._roots)
        self._counting = self._pool.submit(losses.by_borg, self._place, starts, skip)
        return super().verify(done)

    def rename(self, verdict: Verdict, name: str) -> None:
        """A client's sshd may allow one session at a time, and the count has one."""
        if self._counting is not None and self._renaming.opens_session():
            wait([self._counting])
        self._changed = verdict.changed
        super().rename(verdict, name)

    def book(self, archive: str, archive_id: str) -> None:
        self._witnessed.book(archive, archive_id, self._changed, self.there_again)

    def manifest(self) -> Manifest:
        return self._witnessed.manifest()

    def losses(self) -> dict[str, int | None]:
        assert self._counting is not None
        return self._counting.result()


@contextlib.contextmanager
def guarded(server: Borg) -> Iterator[None]:
    """Guard the repository's configuration until the connection to `borg serve` is closed.

    Then wait until borg's lock is free. The client can reconnect after its borg has ended, so the
    guard must outlive that process. Raises RepositoryTampered, over any other error.
    """
    with guard.config_guard(server.repository, guard.keep_of(server)):
        try:
            yield
        finally:
            locks.await_release(server)


@contextlib.contextmanager
def placed(
    session: Session,
    access: Access,
    identity: str,
    paths: Sequence[str] = (),
    *,
    keep: bool = False,
    cache: Path | None = None,
) -> Iterator[Place]:
    """Our folder on the client. Afterwards it is removed, except for what `keep` keeps.

    `paths` are looked for on the client. The folder has room for borg's `cache`, a file of this
    server. Raises as `setup`, and PathMissing.
    """
    with contextlib.ExitStack() as undo:
        undo.callback(sweep, session, identity, keep=keep, sudo=access.sudo)
        facts = setup(
            session,
            identity,
            paths=paths,
            keep=keep,
            runtime=access.client_borg is None,
            borg=access.client_borg,
            sudo=access.sudo,
            cache=cache.stat().st_size if cache is not None and cache.exists() else 0,
        )
        undo.pop_all()  # now the folder is known
    place = Place(session, facts, access.sudo)
    try:
        named.require_there(access.target, paths, facts)
        yield place
    finally:
        if not facts.forced:
            place.leave(keep=keep)


def identity(borg: Borg) -> str:
    """The random part of our folder's name, made once for each client of this server.

    Raises ConfigError.
    """
    path = borg.base.parent / "client-id"
    try:
        if not path.exists():
            fresh = path.with_name(path.name + ".new")
            fresh.write_text(os.urandom(8).hex())
            fresh.replace(path)
        return path.read_text().strip()
    except OSError as error:
        raise ConfigError(f"cannot use {path}: {error.strerror}") from None


def by_ssh(target: Target, there: ClientBorg, rsh: str) -> Way:
    """Start a borg that connects back by the client's ssh. If that fails, tell why it did."""

    def asked_again() -> BorgpullError | None:
        # borg often does not wait for the messages of its ssh.
        done = there.place.shell(f"{rsh} {ALIAS}")
        return back.from_client(done.stderr, target)

    @contextlib.contextmanager
    def start(command: str, *words: str, gate: Gate | None = None) -> Iterator[Running]:
        assert gate is None  # sshd starts its `borg serve`
        with there.through(rsh, command, *words) as child:
            try:
                yield child
            except BorgFailed as error:
                reason = back.from_client("\n".join(child.tail), target)
                raise (reason or asked_again() or error) from None

    return Way(start)
