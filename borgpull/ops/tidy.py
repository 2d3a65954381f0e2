"""Tidy: remove the borg locks of runs that were killed, where no run of ours is alive."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from borgpull.borg import repository
from borgpull.errors import RepositoryLocked
from borgpull.events import Emit
from borgpull.model import JobSpec, Result
from borgpull.ops.workspace import open_borg


def run(job: JobSpec, emit: Emit) -> Result:
    """Tidy one client's repository, or all of them (`client` empty). Locks of others stay."""
    root = Path(job.places.repo)
    names = (
        [job.client] if job.client else sorted(path.parent.name for path in root.glob("*/config"))
    )
    freed = [name for name in names if _tidy(replace(job, client=name), emit)]
    return Result(verb=job.verb, client=job.client, data={"freed": freed})


def _tidy(job: JobSpec, emit: Emit) -> bool:
    borg = open_borg(job)
    repository.require(borg.repository, job.client)
    if not repository.stale_locks(borg):
        return False
    try:
        with repository.lock(borg.repository, 0, emit):
            repository.break_stale_locks(borg, emit)
    except RepositoryLocked:  # a live run holds it: nothing is stale
        return False
    return True
