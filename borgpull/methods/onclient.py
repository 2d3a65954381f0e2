"""What the methods with borg on the client share: a place there, a borg, and its three commands.

Each method adds a `Link`: how that borg reaches `borg serve` on this side.
"""

from __future__ import annotations

import contextlib
import functools
import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from borgpull import events
from borgpull.borg import guard, messages, repository
from borgpull.borg.command import Borg, exclude_args
from borgpull.borg.create import Created, Order, watch
from borgpull.client.authorized import FILTER
from borgpull.client.borg import ClientBorg, choose
from borgpull.client.place import Place
from borgpull.client.serve import Gate
from borgpull.client.setup import Facts, setup, sweep
from borgpull.errors import (
    BorgFailed,
    BorgpullError,
    ClientUnsuitable,
    ConfigError,
    PathMissing,
)
from borgpull.events import Emit
from borgpull.methods import clientmounts
from borgpull.methods.base import Source, Verdict
from borgpull.methods.renaming import Renaming, Start
from borgpull.model import JobSpec, Target
from borgpull.process import Running
from borgpull.ssh import back
from borgpull.ssh import config as ssh_config
from borgpull.ssh.config import SshConfig
from borgpull.ssh.session import Session, connected
from borgpull.ssh.sshd import ALIAS

# borg's status letter to its type letter, as `borg list` has it.
KINDS = {"d": "d", "s": "l", "f": "p", "b": "b", "c": "c"}


@dataclass(frozen=True)
class Way:
    """From a borg on the client to this side's `borg serve`."""

    start: Start
    gates: bool = False  # does `start` know what to do with a gate?


Link = Callable[[JobSpec, ClientBorg, Path], AbstractContextManager[Way]]
Forced = Callable[[JobSpec, Borg, Place, Emit], AbstractContextManager[Source]]


@contextlib.contextmanager
def open_source(
    job: JobSpec,
    borg: Borg,
    folder: Path,
    emit: Emit,
    *,
    link: Link,
    forced: Forced | None = None,
    forwarding: bool = False,
    options: Callable[[SshConfig], list[str]] = lambda config: [],
) -> Iterator[Source]:
    """Ready the client and yield what a backup can do. Raises the errors of ssh and the client.

    `forced` is for keys that may run nothing but the command of `borgpull authorize`.
    """
    assert job.target is not None
    config = ssh_config.write(folder, job.target, job.places, via=job.via, forwarding=forwarding)
    events.phase(emit, "connect", f"connecting to {job.target}")
    with (
        connected(config, folder, options(config)) as session,
        placed(session, job, identity(borg)) as place,
    ):
        if place.facts.forced:
            if forced is None:
                raise ClientUnsuitable(
                    f"the key for {job.target} is limited to a command of its own",
                    hint=f"only pipe works with it: borgpull pipe {job.target}",
                )
            with guarded(borg), forced(job, borg, place, emit) as found:
                yield found
            return
        program = choose(place, job.client_borg)
        saved = borg.base.parent / "client-cache.tar"
        place.bring_cache(saved)
        there = ClientBorg(place, program, borg)
        with (
            guarded(borg),
            link(job, there, folder) as way,
            source(job, there, way, saved, emit) as found,
        ):
            yield found


@contextlib.contextmanager
def source(job: JobSpec, there: ClientBorg, way: Way, saved: Path, emit: Emit) -> Iterator[Source]:
    place = there.place
    left_out = clientmounts.to_leave_out(place.facts.mounts or None, job.paths)
    patterns = [*(item.pattern() for item in left_out), f"pp:{place.folder}"]
    paths = [path.lstrip("/") or "." for path in job.paths]
    options = exclude_args(patterns)
    options += ["--checkpoint-interval", str(job.checkpoint_interval)]

    def words(order: Order) -> list[str]:
        return order.words("--filter", worth_a_line(order), *options, paths=paths)

    def rename(old: str, new: str, **held: Gate | None) -> AbstractContextManager[Running]:
        return way.start("rename", f"::{old}", new, **held)

    def accept() -> None:
        if not job.keep_runtime:
            place.fetch_cache(saved)

    own = rename if there.renames() else None
    with Renaming(there.server, place.session, own, ahead=way.gates) as renaming:
        yield of_commands(
            there.server,
            place.session,
            emit,
            create=lambda order: way.start("create", *words(order)),
            renaming=renaming,
            left_out=tuple({"path": item.path, "fstype": item.fstype} for item in left_out),
            accept=accept,
        )


def worth_a_line(order: Order) -> str:
    """Letters for --filter. Not "A" where it stands for every file: 50,000 lines take 4 s."""
    return FILTER.replace("A", "") if order.fresh else FILTER


def of_commands(
    server: Borg,
    session: Session,
    emit: Emit,
    *,
    create: Callable[[Order], AbstractContextManager[Running]],
    renaming: Renaming,
    left_out: tuple[dict[str, str], ...] = (),
    accept: Callable[[], None] = lambda: None,
) -> Source:
    """What a backup can do by these commands of a client's borg."""

    def created(order: Order) -> Created:
        spares = functools.cache(lambda: server.start_spares(2))  # for `verify` and `archives`

        def heard(finished: bool) -> None:
            if finished:
                renaming.prepare(order)
            else:  # all that borg needs has started, and this side has little to do from now on
                spares()

        with create(order) as child:
            done = watch(child, server.client, order, alive=session.alive, emit=emit, heard=heard)
        check(server, order, done)
        return done

    return Source(
        left_out=left_out,
        alive=session.alive,
        create=created,
        verify=lambda done: verify(server, done),
        rename=renaming,
        accept=accept,
        archives=lambda: repository.archives(server),
        losses=dict,
    )


@contextlib.contextmanager
def guarded(server: Borg) -> Iterator[None]:
    """As long as a client can talk to `borg serve`: configuration and lock are as before after it.

    That is longer than its borg takes: it may come back as often as it likes while the way is open.
    Raises RepositoryTampered, over any other error.
    """
    with guard.config_guard(server.repository, guard.keep_of(server)):
        try:
            yield
        finally:
            repository.await_release(server)


def check(server: Borg, order: Order, done: Created) -> None:
    """Is what the client says it made what was ordered, and is the repository's configuration ours?

    Raises VerificationFailed, RepositoryTampered.
    """
    repository.await_release(server)
    guard.compare(server.repository, guard.keep_of(server))
    if not order.dry_run and not order.fits(done.name):
        raise repository.not_there(done.name)


@contextlib.contextmanager
def placed(session: Session, job: JobSpec, identity: str) -> Iterator[Place]:
    """Our folder on the client, gone afterwards (or all of it but what is to be kept).

    Raises as `setup`, and PathMissing.
    """
    with contextlib.ExitStack() as undo:
        undo.callback(sweep, session, identity, keep=job.keep_runtime, sudo=job.sudo)
        facts = setup(
            session,
            identity,
            paths=job.paths,
            keep=job.keep_runtime,
            runtime=job.client_borg is None,
            borg=job.client_borg,
            sudo=job.sudo,
        )
        undo.pop_all()  # now the folder is known
    place = Place(session, facts, job.sudo)
    try:
        if facts.missing:
            _raise_missing(job, facts)
        yield place
    finally:
        if not facts.forced:
            place.leave(keep=job.keep_runtime)


def _raise_missing(job: JobSpec, facts: Facts) -> None:
    names = [job.paths[number - 1] for number in facts.missing if number <= len(job.paths)]
    raise PathMissing(f"not on {job.target}: {', '.join(names)}")


def identity(borg: Borg) -> str:
    """What the folder on the client is named by: random, once for each client of this server.

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
    """Commands of a borg that gets here by a ssh of the client; why that ssh could not, if so."""

    def asked_again() -> BorgpullError | None:
        # borg often does not wait for what its ssh has to say.
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


def verify(borg: Borg, done: Created) -> Verdict:
    """Has this side's repository the archive that the client says it made?

    borg on the client has read the files itself, so that read errors are among its warnings, and
    `borg serve` has written what it acknowledged; here our own borg, with our own key, must find
    and open that very archive. Raises VerificationFailed.
    """
    made = str(done.stats.get("archive", {}).get("id"))
    if not done.name or repository.opened(borg, done.name) != made:
        raise repository.not_there(done.name)
    stats = done.stats["archive"]["stats"]
    counts = {KINDS[letter]: done.statuses[letter] for letter in KINDS if done.statuses[letter]}
    counts["-"] = stats["nfiles"]
    changed = tuple(item.path for item in done.warnings if item.kind == messages.CHANGED)
    return Verdict(changed=changed, counts=counts, size=stats["original_size"])
