"""Prune: verified archives that no rule keeps are removed, and the space is freed.

The ledger knows even if a prune is killed: the archives to remove are written there before, and the
removed ones afterwards.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from borgpull import events, jobs, signals
from borgpull.borg import repository, retention
from borgpull.borg.command import Borg
from borgpull.errors import ArchivesVanished, BorgFailed, BorgpullError
from borgpull.events import Emit
from borgpull.ops import freeze, standing
from borgpull.ops.standing import VERIFIED, Judged, Row
from borgpull.ops.workspace import locked_borg, looking_borg
from borgpull.outputs.retention import Pruned, PrunedArchive
from borgpull.results import Result
from borgpull.state import drills, lastgood, ledger, manifests
from borgpull.state.ledger import Archives

PROVED = "proved"  # what keeps the newest archive that has passed a drill
REFUSED = "nothing is removed or freed"


def run(job: jobs.Prune, emit: Emit) -> Result:
    """Remove and free; a dry run takes no lock, and writes nothing.

    Raises ArchivesVanished, StrangeArchives, LedgerUnreadable, GuardTripped before anything is
    removed; borg's errors.
    """
    freeze.require_not_frozen(job)
    if job.dry_run:
        with looking_borg(job) as borg:
            data, _ = _planned(job, _judged(job, repository.archives(borg)), emit)
    else:
        with locked_borg(job, emit) as borg:
            freeze.require_not_frozen(job)  # a backup may have held the lock until now
            data = _pruned(job, borg, emit)
            lastgood.record(Path(job.places.state), job.client, "prune")
    return Result(verb=job.verb, client=job.client, data=data)


def _judged(job: jobs.Prune, archives: Archives, so: str = REFUSED) -> Judged:
    """Judge the archives. Raises ArchivesVanished, StrangeArchives, which say what that means.

    Unverified archives do no harm: they are neither counted nor removed.
    """
    judged = standing.judge(job, archives)
    judged.require_none_vanished(so)
    judged.require_no_strangers(so)
    return judged


def _planned(job: jobs.Prune, judged: Judged, emit: Emit) -> tuple[Pruned, list[Row]]:
    """The result's data, and the archives to remove. An event goes out for each archive."""
    rows = judged.of(VERIFIED)
    kept = dict(retention.kept(job.keep, rows))
    proved = drills.newest_proved(Path(job.places.state), job.client)
    if proved in [row["id"] for row in rows]:
        kept.setdefault(str(proved), PROVED)
    for row in rows:
        item: PrunedArchive = {
            "archive": row["name"],
            "time": row["time"],
            "id": row["id"],
            "kept_by": kept.get(row["id"]),
        }
        emit(events.Event("item", {**item}))
    goes = [row for row in rows if row["id"] not in kept]
    names = [row["name"] for row in goes]
    return {"dry_run": job.dry_run, "removed": names, "kept": len(rows) - len(goes)}, goes


def _pruned(job: jobs.Prune, borg: Borg, emit: Emit) -> Pruned:
    archives = repository.archives(borg)
    ledger.see(Path(job.places.state), job.client, archives)
    data, goes = _planned(job, _judged(job, archives), emit)
    if goes:
        events.phase(emit, "prune", f"removing {len(goes)} archive(s) of {job.client}")
        left = _remove(job, borg, goes)
        removed = f"{len(goes)} archive(s) are removed"
        _judged(job, left, f"{removed}, and nothing is freed")  # what a client deleted meanwhile
        manifests.sweep(Path(job.places.state), job.client, left)
    events.phase(emit, "compact", f"freeing space in the repository of {job.client}")
    retention.compact(borg)
    # borg may have waited for the lock of a borg that a client talks to.
    _judged(job, repository.archives(borg), "the space is freed")
    return data


def _remove(job: jobs.Prune, borg: Borg, goes: Sequence[Row]) -> Archives:
    """Remove archives; returns those that are left."""
    state = Path(job.places.state)
    left: Archives = []
    ledger.removing(state, job.client, goes)

    def settle() -> None:
        nonlocal left
        left = repository.archives(borg)
        ledger.settle(state, job.client, left)

    try:
        _require_there(job, borg, goes)
        retention.delete(borg, [row["name"] for row in goes])
    except BaseException:
        with suppress(BorgpullError):  # the next run settles it
            signals.to_its_end(settle)
        raise
    signals.to_its_end(settle)
    there = {row["id"] for row in left}
    if stays := [row for row in goes if row["id"] in there]:  # borg only warns of it
        raise BorgFailed(f"borg did not delete {standing.some(stays)}")
    return left


def _require_there(job: jobs.Prune, borg: Borg, goes: Sequence[Row]) -> None:
    """borg deletes by name, so each name must still stand for the archive that was judged.

    Raises ArchivesVanished.
    """
    there = {(row["name"], row["id"]) for row in repository.archives(borg)}
    other = [row for row in goes if (row["name"], row["id"]) not in there]
    if other:
        raise ArchivesVanished(
            f"{REFUSED}: the archives of {job.client} changed meanwhile: {standing.some(other)}"
        )
