"""pipe with a key that is limited to `borgpull authorize`'s command: the client's own borg, its
paths and patterns are in that command, and nothing of ours lies on the client."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator
from contextlib import AbstractContextManager

from borgpull.borg.command import Borg
from borgpull.borg.create import Order
from borgpull.client.borg import joined, passphrase, renames, require_known
from borgpull.client.place import Place
from borgpull.client.serve import Gate, served
from borgpull.errors import UsageError
from borgpull.events import Emit
from borgpull.methods import onclient
from borgpull.methods.base import Source
from borgpull.methods.renaming import Renaming
from borgpull.model import JobSpec
from borgpull.process import Running


@contextlib.contextmanager
def source(job: JobSpec, borg: Borg, place: Place, emit: Emit) -> Iterator[Source]:
    """Raises UsageError where the job wants what the key's command does not do."""
    session = place.session
    require_known(place.facts, "borg")
    _check(job, place)

    @contextlib.contextmanager
    def start(
        verb: str, archive: str, more: str = "", *, gate: Gate | None = None
    ) -> Iterator[Running]:
        header = f"borgpull-{verb}\n{passphrase(borg)}\n{archive}\n{more}\n"
        # The command is not asked for anything: sshd runs its own.
        argv = session.command("borgpull")
        with joined(served(borg, gate), argv, header.encode()) as child:
            yield child

    def create(order: Order) -> AbstractContextManager[Running]:
        return start("list" if order.dry_run else "create", order.archive, job.compression)

    rename = functools.partial(start, "rename") if renames(place.facts) else None
    with Renaming(borg, session, rename, ahead=True) as renaming:
        yield onclient.of_commands(borg, session, emit, create=create, renaming=renaming)


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
