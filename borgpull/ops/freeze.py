"""What the guard has frozen: nothing of such a client is removed until a user lifts it."""

from __future__ import annotations

from pathlib import Path
from typing import cast

from borgpull import jobs
from borgpull.errors import GuardTripped, UsageError
from borgpull.outputs.guard import Frozen, Lifted
from borgpull.state import guards, ledger


def text(client: str) -> str:
    return f"nothing of {client} is removed: the guard has found losses that nobody has accepted"


def require_not_frozen(job: jobs.Job) -> None:
    """Raises GuardTripped."""
    frozen = guards.frozen(Path(job.places.state), job.client)
    if frozen is None:
        return
    texts = [str(item["text"]) for item in frozen.get("findings", [])]
    told = "; ".join(texts[:2]) or "what it has found cannot be read"
    raise GuardTripped(f"{text(job.client)}: {told}")


def lift(job: jobs.Acknowledge) -> Lifted | None:
    """Accept what the guard has found, and record the reason; None if it has found nothing.

    Raises DiskFull, StorageFailed, ConfigError.
    """
    state = Path(job.places.state)
    frozen = guards.frozen(state, job.client)
    if frozen is None:
        return None
    ledger.lift(state, job.client, job.reason, frozen)
    guards.lift(state, job.client)
    return {"reason": job.reason, "frozen": cast("Frozen", frozen)}


def require_reason(job: jobs.Acknowledge) -> None:
    """Raises UsageError if the client is frozen, and no reason is given."""
    if job.reason.strip() or guards.frozen(Path(job.places.state), job.client) is None:
        return
    raise UsageError(
        f"the guard has found losses of {job.client}: say why they are right, by --reason TEXT",
        hint=f"borgpull status {job.client} shows what it has found",
    )
