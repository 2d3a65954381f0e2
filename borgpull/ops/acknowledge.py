"""Acknowledge: the user has looked at the vanished archives, or at those that no run here made."""

from __future__ import annotations

from pathlib import Path

from borgpull import jobs
from borgpull.borg import repository
from borgpull.borg.repository import may_count
from borgpull.errors import UsageError
from borgpull.events import Emit
from borgpull.ops import freeze, standing
from borgpull.ops.standing import NOT_KNOWN, STRANGER, UNVERIFIED, VERIFIED, Judged, Row
from borgpull.ops.workspace import locked_borg
from borgpull.outputs.archives import Acknowledged
from borgpull.results import Result
from borgpull.state import ledger, manifests


def run(job: jobs.Acknowledge, emit: Emit) -> Result:
    """Record that the vanished archives are accepted; the result names them.

    If the guard has tripped, a reason is needed. What it has found is accepted, whatever is named.

    If archives are named, only these are adopted or deleted, and no vanished one is accepted.
    Raises ArchiveMissing, UsageError before anything is done; borg's errors.
    """
    state = Path(job.places.state)
    with locked_borg(job, emit) as borg:
        archives = repository.archives(borg)
        ledger.see(state, job.client, archives)
        judged = standing.judge(job, archives)
        freeze.require_reason(job)
        adopted, deleted = _to_adopt(job, judged), _to_delete(job, judged)
        named = bool(job.adopt or job.remove or job.adopt_not_known)
        lost = [] if named else list(judged.vanished)
        ledger.acknowledge(state, job.client, lost)
        ledger.adopt(state, job.client, adopted)
        for row in deleted:
            if row["id"] in repository.with_two_names(repository.archives(borg)):
                repository.forget(borg, row["name"])
            else:
                repository.delete(borg, row["name"])
        if lost or deleted:
            manifests.sweep(state, job.client, repository.archives(borg))
        lifted = freeze.lift(job)
        if not named:
            standing.tell_strangers(judged, emit)
    data: Acknowledged = {
        "acknowledged": lost,
        "adopted": [row["name"] for row in adopted],
        "deleted": [row["name"] for row in deleted],
        "lifted": lifted,
    }
    return Result(verb=job.verb, client=job.client, data=data)


def _to_adopt(job: jobs.Acknowledge, judged: Judged) -> list[Row]:
    """Raises ArchiveMissing, UsageError."""
    rows = [judged.chosen(name) for name in dict.fromkeys(job.adopt)]
    twice = repository.with_two_names(judged.rows)
    for row in rows:
        if row["standing"] == UNVERIFIED or not may_count(row["name"]):
            raise UsageError(
                f"{row['name']} is the name of an archive that is no backup",
                hint="give it another: borgpull borg CLIENT -- rename ::OLD NEW",
            )
        if row["standing"] == STRANGER and row["id"] in twice:
            raise UsageError(
                f"{row['name']} is a second name of another archive",
                hint="take it off the list: acknowledge CLIENT --delete NAME",
            )
        if "/" in row["name"]:  # only a client can give it such a name; borg could not delete it
            raise UsageError(
                f"borg takes no archive of the name {row['name']}", hint="delete it by --delete"
            )
    if job.adopt_not_known:
        rows += [row for row in judged.of(NOT_KNOWN) if row not in rows]
    return [row for row in rows if row["standing"] in (STRANGER, NOT_KNOWN)]


def _to_delete(job: jobs.Acknowledge, judged: Judged) -> list[Row]:
    """Raises ArchiveMissing, UsageError."""
    rows = [judged.chosen(name) for name in dict.fromkeys(job.remove)]
    for row in rows:
        if row["standing"] == VERIFIED or row["name"] in job.adopt:
            raise UsageError(
                f"{row['name']} is verified, or is named by --adopt",
                hint="a verified archive is deleted by borgpull borg CLIENT -- delete ::NAME",
            )
    return rows
