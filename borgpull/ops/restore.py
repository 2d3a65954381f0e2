"""A restore: look at the archive and the target, say what will be, extract, and look again."""

from __future__ import annotations

import contextlib
import errno
import gc
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from borgpull import events
from borgpull.borg import extract, items, repository
from borgpull.borg.command import Borg
from borgpull.borg.extract import Extracted
from borgpull.borg.items import Item
from borgpull.errors import ArchiveMissing, DiskFull, NotRestored, TargetFull
from borgpull.events import Emit
from borgpull.model import Failure, JobSpec, Result
from borgpull.ops.workspace import private_folder, reading_borg
from borgpull.process import Running
from borgpull.restores import WAYS, Site, differences, losses, survey
from borgpull.restores.differences import SHOWN_PATHS, Differences
from borgpull.restores.plan import Plan, plan
from borgpull.restores.survey import Ground

FULL = {errno.ENOSPC, errno.EDQUOT}
# In the one line of an error; the result has more.
FEW = 3


def run(job: JobSpec, emit: Emit) -> Result:
    """Restore. Raises every layer's errors; what was not restored is in the result (NotRestored).

    Raises ArchiveMissing, NotInArchive, TargetNotUsable, TargetFull before anything is written.
    """
    started = time.monotonic()
    with (
        _without_collection(),
        private_folder() as folder,
        reading_borg(job, emit) as borg,
        items.reader(borg) as exact,
        ThreadPoolExecutor(1) as pool,
    ):
        # While the connection is made, as both take a while.
        reading = pool.submit(_wanted, borg, exact, job)
        with WAYS[job.how](job, borg, folder, emit) as site:
            archive, wanted = reading.result()
            made = plan(job, site, archive, wanted)
            _tell(made, site, emit)
            data = {**made.data(), "how": job.how, "to": site.name}
            if job.dry_run:
                return Result(verb=job.verb, client=job.client, data={"dry_run": True, **data})
            done = _extract(job, made, site, emit)
            events.phase(emit, "verify", f"comparing {site.name} with the archive")
            _remove_halves(made, done, site)
            ground = survey.look(site, wanted, "verify")
            names = None if job.by_number else survey.owners(site, wanted, ground)
    found = differences.compare(wanted, ground, names=names, lost=site.losses)
    data["seconds"] = round(time.monotonic() - started, 3)
    return _judge(job, made, done, found, data, full=_full(made, done, found, ground))


@contextlib.contextmanager
def _without_collection() -> Iterator[None]:
    """Python's collector of cycles would go through every item again and again, and find none."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def _wanted(borg: Borg, exact: Borg, job: JobSpec) -> tuple[str, list[Item]]:
    """The archive's name, and what of it is to be restored. Raises ArchiveMissing, NotInArchive."""
    name = job.archive
    if name in (None, "latest") or "{" in str(name):  # a placeholder of borg's
        archive = archive_of(borg, name)
        return archive, items.chosen(exact, archive, job.paths, job.strip)
    try:  # borg itself knows whether it is there
        return str(name), items.chosen(exact, str(name), job.paths, job.strip)
    except ArchiveMissing:
        raise _no_archive(borg, name) from None


def archive_of(borg: Borg, name: str | None) -> str:
    """The archive of a name, or the newest verified one. Raises ArchiveMissing."""
    if name in (None, "latest"):
        return repository.latest(borg)
    if name not in [item["name"] for item in repository.archives(borg)]:
        raise _no_archive(borg, name)
    return str(name)


def _no_archive(borg: Borg, name: str | None) -> ArchiveMissing:
    return ArchiveMissing(f"{borg.client} has no archive {name}")


def _tell(made: Plan, site: Site, emit: Emit) -> None:
    for kind, number in made.cannot.items():
        by = "in this way" if kind in site.losses else "by this user"
        events.warning(emit, f"cannot be restored {by}: {kind.replace('_', ' ')} ({number})")
    if made.overwritten:
        some = ", ".join(made.data()["overwritten_paths"])
        events.note(emit, f"{len(made.overwritten)} will be overwritten in {site.name}: {some}")


def _extract(job: JobSpec, made: Plan, site: Site, emit: Emit) -> Extracted:
    """Raises TargetNotUsable, TargetFull, ConnectionLost, borg's errors."""
    going = made.going
    events.phase(emit, "extract", f"restoring {len(going)} items of {made.archive} to {site.name}")
    survey.look(site, (), "make")
    if not going:  # borg would take no path at all for every path
        return Extracted()
    if site.follows and (others := made.in_the_way()):
        survey.remove(site, others)

    def watch(child: Running, handed: Callable[[], int] | None = None) -> Extracted:
        return extract.watch(child, job.client, going, alive=site.alive, emit=emit, handed=handed)

    try:
        return site.extract(made.order(job), watch)
    except DiskFull:  # borg's word for any disk
        raise TargetFull(f"{site.name} is full") from None


def _remove_halves(made: Plan, done: Extracted, site: Site) -> None:
    """Files that were not written to their end: better not there than half there.

    Not all programs name them. What is as it was before the run was not begun; one that is longer
    than it should be is being used already, unless it was named.
    """
    if not done.warnings and done.returncode == 0:
        return
    warned = {item.path for item in done.warnings}
    files = [item for item in made.going if item.regular]
    there = survey.look(site, files, "verify").found

    def half(item: Item) -> bool:
        found = there.get(item.place)
        if found is None or found.same_content(made.before.get(item.place)):
            return False
        unfinished = bool(differences.differs(item, found) & differences.UNFINISHED)
        return found.size < item.size or (item.path in warned and unfinished)

    survey.remove(site, [item for item in files if half(item)])


def _full(made: Plan, done: Extracted, found: Differences, ground: Ground) -> bool:
    """Was it for want of room? SFTP has no word for it but "failure"."""
    told = any(item.errno in FULL for item in done.warnings)
    return (
        told
        or isinstance(done.failure, DiskFull)
        or (bool(found.lacking) and found.lacking > ground.free_bytes)
    )


def _judge(
    job: JobSpec,
    made: Plan,
    done: Extracted,
    found: Differences,
    data: dict[str, Any],
    *,
    full: bool,
) -> Result:
    """The result: success only where borg warned of nothing, all is as in the archive, and no more
    got lost on the way than fine times."""
    site_losses = {kind: number for kind, number in made.lost.items() if kind not in losses.MINOR}
    warned = [f"/{item.path}: {item.text}" if item.path else item.text for item in done.warnings]
    data["not_restored"] = {**site_losses, **found.kinds}
    data["not_restored_paths"] = found.paths
    data["warnings"] = warned[:SHOWN_PATHS]
    if not data["not_restored"] and not warned and done.returncode == 0:
        return Result(verb=job.verb, client=job.client, data=data)
    parts = [f"{number} {kind.replace('_', ' ')}" for kind, number in data["not_restored"].items()]
    parts += [f"{len(warned)} warnings: {_some(warned)}"] if warned else []
    parts += [_some(found.paths)] if found.paths else []
    ended = done.failure.message if done.failure else f"borg ended with {done.returncode}"
    parts += [ended] if done.failure or (done.returncode and not warned) else []
    kind = TargetFull if full else NotRestored
    error = kind(f"{'no room; ' if full else ''}not restored: " + "; ".join(parts))
    failure = Failure(
        exit_code=error.exit_code,
        error=type(error).__name__,
        message=error.message,
        hint=error.hint,
    )
    return Result(verb=job.verb, client=job.client, ok=False, failure=failure, data=data)


def _some(texts: Sequence[str]) -> str:
    return ", ".join(texts[:FEW]) + (" …" if len(texts) > FEW else "")
