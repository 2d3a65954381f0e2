"""What a user can ask for: a verb is a function that takes its kind of job, as its row says."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from borgpull.events import Emit
from borgpull.jobs import Job
from borgpull.late import Late
from borgpull.results import Result
from borgpull.verbs import VERBS

OPS: Late[Callable[[Any, Emit], Result]] = Late(
    __name__, {name: verb.op for name, verb in VERBS.items()}
)


def do(job: Job, emit: Emit) -> Result:
    """Raises whatever the verb's function raises. A job of a wrong kind is a bug of the caller."""
    assert type(job).__name__ == VERBS[job.verb].kind, f"{job.verb} is no {type(job).__name__}"
    return OPS[job.verb](job, emit)
