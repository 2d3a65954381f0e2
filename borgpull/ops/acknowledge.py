"""Acknowledge: somebody has looked at the archives that have vanished, and accepts it."""

from __future__ import annotations

from pathlib import Path

from borgpull.borg import repository
from borgpull.events import Emit
from borgpull.model import JobSpec, Result
from borgpull.ops import ledger
from borgpull.ops.workspace import locked_borg


def run(job: JobSpec, emit: Emit) -> Result:
    """Record that what has vanished may stay so; says what that is. Raises borg's errors."""
    state = Path(job.places.state)
    with locked_borg(job, emit) as borg:
        archives = repository.archives(borg)
        ledger.see(state, job.client, archives)
        lost = ledger.vanished(state, job.client, archives)
        ledger.acknowledge(state, job.client, lost)
    return Result(verb=job.verb, client=job.client, data={"acknowledged": lost})
