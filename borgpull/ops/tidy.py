"""Tidy: remove the borg locks of killed runs, if no run of ours is alive."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from borgpull import jobs
from borgpull.borg import locks, repository
from borgpull.errors import RepositoryLocked
from borgpull.events import Emit
from borgpull.ops.workspace import open_borg
from borgpull.outputs.archives import Tidied
from borgpull.results import Result


def run(job: jobs.Tidy, emit: Emit) -> Result:
    """Tidy one client's repository, or all of them (`client` empty). Locks of others stay."""
    root = Path(job.places.repo)
    names = (
        [job.client] if job.client else sorted(path.parent.name for path in root.glob("*/config"))
    )
    freed = [name for name in names if _tidy(replace(job, client=name), emit)]
    data: Tidied = {"freed": freed}
    return Result(verb=job.verb, client=job.client, data=data)


def _tidy(job: jobs.Tidy, emit: Emit) -> bool:
    borg = open_borg(job)
    repository.require(borg.repository, job.client)
    if not locks.stale_locks(borg):
        return False
    try:
        with locks.lock(borg.repository, 0, emit):
            locks.break_stale_locks(borg, emit)
    except RepositoryLocked:  # a live run holds our lock, so no lock is stale
        return False
    return True
