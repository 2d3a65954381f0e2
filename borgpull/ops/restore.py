"""A restore: look at the archive and the target, say what will be, extract, and look again."""

from __future__ import annotations

import contextlib
import errno
import gc
import itertools
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

from borgpull import events, jobs
from borgpull.borg import extract, items, repository
from borgpull.borg.command import Borg
from borgpull.borg.extract import Extracted
from borgpull.errors import ArchiveMissing, DiskFull, NotRestored, TargetFull
from borgpull.events import Emit
from borgpull.ops import standing
from borgpull.ops.private import private_folder
from borgpull.ops.workspace import reading_borg
from borgpull.process import Running
from borgpull.restores import WAYS, Site, attributes, survey
from borgpull.restores.comparison import Comparison
from borgpull.restores.plan import plan
from borgpull.restores.tally import Plan
from borgpull.results import Failure, Result
from borgpull.trees import losses
from borgpull.trees.differences import SHOWN_PATHS, UNFINISHED, Differences, differs
from borgpull.trees.item import Item, Items

# What is to be restored of an archive, and borg's patterns that leave out the rest.
Choose = Callable[[Items], tuple[Items, bytes]]
# Is told how the extract has ended.
Hear = Callable[[Extracted], None]
FULL = {errno.ENOSPC, errno.EDQUOT}
# Examples in the one line of an error; the result has more.
FEW = 3


def everything(items: Items) -> tuple[Items, bytes]:
    return items, b""


def nobody(_done: Extracted) -> None:
    pass


def run(job: jobs.Restore, emit: Emit) -> Result:
    """Restore. Raises every layer's errors; what was not restored is in the result (NotRestored).

    Raises ArchiveMissing, NotInArchive, TargetNotUsable, TargetFull before anything is written.
    """
    with (
        private_folder() as folder,
        reading_borg(job, emit, lock_wait=job.lock_wait) as borg,
    ):
        return within(job, borg, folder, emit)


def within(
    job: jobs.Restore,
    borg: Borg,
    folder: Path,
    emit: Emit,
    choose: Choose = everything,
    hear: Hear = nobody,
    exact: Borg | None = None,
) -> Result:
    """Restore by an open borg, what `choose` says of it. Raises as `run`.

    `exact` is of `items.reader`, if it was started before.
    """
    started = time.monotonic()
    with (
        _without_collection(),
        contextlib.nullcontext(exact) if exact else items.reader(borg) as lists,
        ThreadPoolExecutor(2) as pool,
    ):
        # The archive is read while the connection is made: both take a while.
        listing = pool.submit(repository.archives, borg)
        reading = pool.submit(_wanted, listing, lists, job)
        with WAYS[job.how](job, borg, folder, emit) as site:
            chosen, every = reading.result()
            standing.tell(chosen, emit)
            wanted, without = choose(every)
            made = plan(job, site, str(chosen["name"]), wanted)
            made = replace(made, patterns=without + made.patterns)
            _tell(made, site, emit)
            data = {**made.data(), "how": job.how, "to": site.name}
            if job.dry_run:
                return Result(verb=job.verb, client=job.client, data={"dry_run": True, **data})
            done = _extract(job, made, site, emit)
            hear(done)
            events.phase(emit, "verify", f"comparing {site.name} with the archive")
            with extract.counted(done):
                _remove_halves(made, done, site)
                found, free = _compared(job, site, wanted)
    data["seconds"] = round(time.monotonic() - started, 3)
    return _judge(job, made, done, found, data, full=_full(done, found, free))


def _compared(job: jobs.Restore, site: Site, wanted: Items) -> tuple[Differences, int]:
    """The differences from the archive, and the free bytes. Raises ConnectionLost."""
    comparison, free = Comparison(site, numeric=job.by_number), 0
    for batch in wanted.batches(survey.BATCH):
        ground = survey.look(site, batch, "verify")
        free = ground.free_bytes
        comparison.add(batch, ground)
        there = (item for item in batch if item.place in ground.found)
        for item, kinds in attributes.lacking(site, there):
            comparison.found.add(item, kinds)
    return comparison.end(wanted), free


@contextlib.contextmanager
def _without_collection() -> Iterator[None]:
    """Switch off Python's cycle collector: it would search all items again and again in vain."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def _wanted(
    listing: Future[list[dict[str, Any]]], exact: Borg, job: jobs.Restore
) -> tuple[dict[str, Any], Items]:
    """The archive with its standing, and what of it is to be restored.

    Raises ArchiveMissing, NotInArchive, borg's errors.
    """
    if standing.is_latest(job.archive):
        row = standing.judge(job, listing.result()).chosen(job.archive)
        return row, items.chosen(exact, row["name"], job.paths, job.strip)
    try:  # borg itself says if it is missing, so both listings run at once
        found = items.chosen(exact, job.archive, job.paths, job.strip)
    except ArchiveMissing:
        raise ArchiveMissing(f"{job.client} has no archive {job.archive}") from None
    return standing.judge(job, listing.result()).chosen(job.archive), found


def _tell(made: Plan, site: Site, emit: Emit) -> None:
    for kind, number in made.cannot.items():
        by = "in this way" if kind in site.losses else "by this user"
        events.warning(emit, f"cannot be restored {by}: {kind.replace('_', ' ')} ({number})")
    if made.overwritten:
        some = ", ".join(made.overwritten_paths)
        events.note(emit, f"{made.overwritten} will be overwritten in {site.name}: {some}")


def _extract(job: jobs.Restore, made: Plan, site: Site, emit: Emit) -> Extracted:
    """Raises TargetNotUsable, TargetFull, ConnectionLost, borg's errors."""
    going = made.going
    events.phase(emit, "extract", f"restoring {len(going)} items of {made.archive} to {site.name}")
    survey.look(site, (), "make")
    if not going:  # without a path, borg would extract every path
        return Extracted()
    if site.follows and made.obstacles:
        survey.remove(site, made.obstacles)

    def watch(child: Running, handed: Callable[[], int] | None = None) -> Extracted:
        return extract.watch(child, job.client, going, alive=site.alive, emit=emit, handed=handed)

    try:
        return site.extract(made.order(job), watch)
    except DiskFull:  # borg does not tell which disk is full
        raise TargetFull(f"{site.name} is full") from None


def _remove_halves(made: Plan, done: Extracted, site: Site) -> None:
    """Remove files that were not written to their end: a missing file is better than half of one.

    Not all programs name them. A file that is as before the run was not begun. A file that is too
    long is already in use at the target, and stays unless a warning names it.
    """
    if not site.halves or (not done.warnings and done.returncode == 0):
        return
    warned = {item.path for item in done.warnings}

    def half(index: int, item: Item, found: Item | None) -> bool:
        if found is None or made.before.same(index, found):
            return False
        unfinished = bool(differs(item, found) & UNFINISHED)
        return found.size < item.size or (item.path in warned and unfinished)

    numbers = itertools.count()
    for batch in made.going.batches(survey.BATCH):
        files = [(index, item) for index, item in zip(numbers, batch, strict=False) if item.regular]
        there = survey.look(site, (item for _, item in files), "verify").found
        halves = [item for index, item in files if half(index, item, there.get(item.place))]
        if halves:
            survey.remove(site, halves)


def _full(done: Extracted, found: Differences, free: int) -> bool:
    """Did it fail for lack of room? SFTP cannot tell: it only says "failure"."""
    told = any(item.errno in FULL for item in done.warnings)
    return (
        told or isinstance(done.failure, DiskFull) or (bool(found.lacking) and found.lacking > free)
    )


def _judge(
    job: jobs.Restore,
    made: Plan,
    done: Extracted,
    found: Differences,
    data: dict[str, Any],
    *,
    full: bool,
) -> Result:
    """The result. It is a success only if borg gave no warning and all is as in the archive. Losses
    of the kinds in MINOR (losses.py) are no failure."""
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
    failure = Failure.of(error)
    return Result(verb=job.verb, client=job.client, ok=False, failure=failure, data=data)


def _some(texts: Sequence[str]) -> str:
    return ", ".join(texts[:FEW]) + (" …" if len(texts) > FEW else "")
