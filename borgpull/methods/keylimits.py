"""A key for `stream` that is limited (`client/scripts/limited.py`), and what a job wants of it."""

from __future__ import annotations

from borgpull.client.facts import Facts
from borgpull.errors import ClientUnsuitable, UsageError
from borgpull.jobs import Backup


def require_allowed(job: Backup, facts: Facts) -> None:
    """Raises UsageError, ClientUnsuitable if a key that is limited does not do what is wanted."""
    target = job.access.target
    if facts.limited is None:
        return
    anew = "print it anew by borgpull authorize, and put it into authorized_keys there"
    if not facts.same:
        raise ClientUnsuitable(
            f"the line for the key on {target} is of another version of borgpull", hint=anew
        )
    if not set(job.paths) <= set(facts.limited):
        raise UsageError(
            f"the key for {target} reads {' '.join(facts.limited)} and nothing else",
            hint=f"name these paths; or {anew}",
        )
    if job.access.sudo:
        raise UsageError(
            f"the key for {target} is limited, and cannot become root by --sudo",
            hint="let root log in with a limited key, or take one without a limit",
        )
