"""Doctor: what this place allows, and what the client offers."""

from __future__ import annotations

from borgpull.events import Emit
from borgpull.model import JobSpec, Result


def run(job: JobSpec, emit: Emit) -> Result:
    """Placeholder until the checks land."""
    return Result(verb=job.verb, client=job.client, data={"checks": []})
