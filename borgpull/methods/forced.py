"""pipe with a key that is limited to `borgpull authorize`'s command: the client's own borg, its
paths and patterns are in that command, and nothing of ours lies on the client."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from borgpull.borg import repository
from borgpull.borg.command import Borg
from borgpull.borg.create import Created, Order, watch
from borgpull.client.borg import joined, passphrase, renames, require_known
from borgpull.client.place import Place
from borgpull.errors import UsageError
from borgpull.events import Emit
from borgpull.methods import onclient
from borgpull.methods.base import Source
from borgpull.model import JobSpec
from borgpull.process import Running


def source(job: JobSpec, borg: Borg, place: Place, emit: Emit) -> Source:
    """Raises UsageError where the job wants what the key's command does not do."""
    session = place.session
    require_known(place.facts, "borg")
    _check(job, place)

    @contextlib.contextmanager
    def start(verb: str, archive: str, more: str = "") -> Iterator[Running]:
        header = f"borgpull-{verb}\n{passphrase(borg)}\n{archive}\n{more}\n"
        # The command is not asked for anything: sshd runs its own.
        argv = session.command("borgpull")
        with joined(borg, argv, header.encode()) as child:
            yield child

    def create(order: Order) -> Created:
        verb = "list" if order.dry_run else "create"
        with start(verb, order.archive, job.compression) as child:
            done = watch(child, borg.client, order, alive=session.alive, emit=emit)
        onclient.check(borg, order, done)
        return done

    def rename(old: str, new: str) -> None:
        if not renames(place.facts):
            repository.rename(borg, old, new)
            return
        with start("rename", old, new) as child:
            onclient.finish(child, borg.client, session)
        repository.await_release(borg)

    return Source(
        left_out=(),
        alive=session.alive,
        create=create,
        verify=lambda done: onclient.verify(borg, done),
        rename=rename,
        accept=lambda: None,
        archives=lambda: repository.archives(borg),
        losses=dict,
    )


def _check(job: JobSpec, place: Place) -> None:
    allowed = place.facts.forced_paths
    if set(job.paths) != set(allowed):
        raise UsageError(
            f"the key for {job.target} saves {' '.join(allowed)} and nothing else",
            hint=f"borgpull {job.verb} {job.target} {' '.join(allowed)}, or a new line for "
            "authorized_keys by borgpull authorize",
        )
    if job.exclude or job.sudo or job.keep_runtime or job.client_borg:
        raise UsageError(
            f"the key for {job.target} is limited to a command of its own",
            hint="patterns and the client's borg are options of borgpull authorize",
        )
