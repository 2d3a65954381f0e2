"""pipe with a key that is limited to the command of `borgpull authorize`.

That command names the client's own borg, the paths and the patterns. No file of ours is on the
client."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager

from borgpull import events
from borgpull.borg import locks, messages
from borgpull.borg.command import Borg, literal
from borgpull.borg.create import Created, Order, watch
from borgpull.borg.named import look, relative
from borgpull.borg.serve import Gate, served
from borgpull.client import room
from borgpull.client.borg import joined, passphrase, renames, require_known
from borgpull.client.folder import Place
from borgpull.errors import ClientUnsuitable, UsageError
from borgpull.events import Emit, silent
from borgpull.jobs import Backup
from borgpull.methods import named
from borgpull.methods.base import Source, Verdict
from borgpull.methods.commands import ByCommands
from borgpull.methods.renaming import Renaming
from borgpull.process import Running
from borgpull.trees.folders import roots

# Where the client's own borg keeps its cache.
OWN_CACHE = "~/.cache/borg"
# What a line of this version knows. `timed`: it takes the archive's time. `roots`: borg gets the
# folders before the files, and no path that lies in another one.
# `stream`: it is no line for borg at all (`client/scripts/limited.py`).
TIMED, ROOTS, STREAM = "timed", "roots", "stream"


@contextlib.contextmanager
def source(job: Backup, borg: Borg, place: Place, emit: Emit) -> Iterator[Source]:
    """Raises UsageError if the key's command does not do what the job wants; ClientUnsuitable."""
    if STREAM in place.facts.knows:
        target = job.access.target
        raise ClientUnsuitable(
            f"the key for {target} is limited to stream",
            hint=f"borgpull stream {target} {' '.join(job.paths)}",
        )
    require_known(place.facts, "borg")
    _check(job, place)
    key = _Key(job, borg, place)
    own = key.rename if renames(place.facts) else None
    with Renaming(borg, place.session, own, ahead=True) as renaming:
        yield Limited(job, borg, place, emit, key, renaming)


class _Key:
    """What the key's command does."""

    def __init__(self, job: Backup, borg: Borg, place: Place) -> None:
        self._job, self._borg, self._place = job, borg, place

    @contextlib.contextmanager
    def _start(
        self, verb: str, archive: str, *more: str, gate: Gate | None = None
    ) -> Iterator[Running]:
        lines = [f"borgpull-{verb}", passphrase(self._borg), archive, *more]
        header = "".join(f"{line}\n" for line in lines)
        # The word given to ssh does not matter: sshd runs the key's command.
        argv = self._place.session.command("borgpull")
        with joined(served(self._borg, gate), argv, header.encode()) as child:
            yield child

    def create(self, order: Order) -> AbstractContextManager[Running]:
        if order.dry_run:
            return self._start("list", order.archive, "")
        # A line of an older version takes no time.
        timed = TIMED in self._place.facts.knows
        verb, more = ("timed", [order.time]) if timed else ("create", [])
        return self._start(verb, order.archive, self._job.compression, *more)

    def rename(self, old: str, new: str, **held: Gate | None) -> AbstractContextManager[Running]:
        return self._start("rename", literal(old), literal(new), **held)


class Limited(ByCommands):
    """A borg that does what the key's line says."""

    def __init__(
        self, job: Backup, borg: Borg, place: Place, emit: Emit, key: _Key, renaming: Renaming
    ) -> None:
        self._job, self._facts, self._key = job, place.facts, key
        super().__init__(
            borg,
            place.session,
            emit,
            room.WhoseDisk(place.session.config.target, OWN_CACHE),
            renaming,
            empty=named.empty(job, place.facts, emit),
        )

    def start(self, order: Order) -> AbstractContextManager[Running]:
        return self._key.create(order)

    def verify(self, done: Created) -> Verdict:
        """Raises ClientUnsuitable if an old line names the paths in an order that loses files."""
        if ROOTS not in self._facts.knows:
            _require_folders_first(self._job, self._server, done, self._facts.forced_paths)
        return super().verify(done)

    def manifest(self) -> None:
        text = "no manifest is made: the key is limited to borg, so that nothing else can list"
        events.note(self._emit, text)

    def there_again(self, paths: Sequence[str]) -> list[str]:
        """The paths that borg would save now; all of them if it cannot read everything.

        A dry run costs a walk. But every line can do it, and it shows the holder of the key nothing
        beyond the key's own paths. Raises ConnectionLost, borg's errors.
        """
        order = Order(archive="look", dry_run=True, sought=frozenset(paths))
        with self._own_disk, self.start(order) as child:
            done = watch(child, self._server.client, order, alive=self.alive, emit=silent)
        locks.await_release(self._server)
        failed = [item for item in done.warnings if item.kind != messages.VANISHED]
        if failed or done.more_warnings:
            return list(paths)
        return [path for path in paths if path in done.found]


def _check(job: Backup, place: Place) -> None:
    allowed = place.facts.forced_paths
    if set(job.paths) != set(allowed):
        raise UsageError(
            f"the key for {job.access.target} saves {' '.join(allowed)} and nothing else",
            hint=f"borgpull {job.verb} {job.access.target} {' '.join(allowed)}, or a new line for "
            "authorized_keys by borgpull authorize",
        )
    if job.exclude or job.keep_runtime or job.access.sudo or job.access.client_borg:
        raise UsageError(
            f"the key for {job.access.target} is limited to a command of its own",
            hint="patterns and the client's borg are options of borgpull authorize",
        )
    if ROOTS not in place.facts.knows and roots(allowed) != allowed:
        raise _old_line(job, "would save items twice where one path lies in another")


def _require_folders_first(job: Backup, borg: Borg, done: Created, paths: Sequence[str]) -> None:
    """Check the order of paths in a line without `roots`. Raises ClientUnsuitable, borg's errors.

    After a file was named, borg leaves out all other names of it (borgbackup/borg#10388).
    """
    if len(paths) > 1 and done.named.open:
        look(borg, done.name, done.named)
    files = [path for path in paths if relative(path) in done.named.item - done.named.folders]
    folders = [path for path in paths if relative(path) in done.named.folders]
    if files and folders and paths.index(files[0]) < paths.index(folders[-1]):
        raise _old_line(
            job, f"names {files[0]} before folders, where borg leaves out its hard links"
        )


def _old_line(job: Backup, why: str) -> ClientUnsuitable:
    return ClientUnsuitable(
        f"the line for the key on {job.access.target} is of an older version, and {why}",
        hint="print it anew by borgpull authorize, and put it into authorized_keys there",
    )
