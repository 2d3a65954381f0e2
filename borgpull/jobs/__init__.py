"""Jobs, as launchers get them. Verbs with the same needs share a kind. A job is frozen data."""

from __future__ import annotations

from borgpull.jobs.kinds import (
    KINDS,
    LOCK_WAIT,
    Acknowledge,
    Backup,
    Browse,
    Check,
    Diff,
    Doctor,
    Find,
    Init,
    Job,
    List,
    Locking,
    Look,
    Prune,
    Restore,
    Serve,
    Status,
    Stock,
    Tidy,
    Trust,
)
from borgpull.jobs.parts import Access, Keep, Route
from borgpull.jobs.wire import JOB_VERSION, from_json, to_json

__all__ = [
    "JOB_VERSION",
    "KINDS",
    "LOCK_WAIT",
    "Access",
    "Acknowledge",
    "Backup",
    "Browse",
    "Check",
    "Diff",
    "Doctor",
    "Find",
    "Init",
    "Job",
    "Keep",
    "List",
    "Locking",
    "Look",
    "Prune",
    "Restore",
    "Route",
    "Serve",
    "Status",
    "Stock",
    "Tidy",
    "Trust",
    "from_json",
    "to_json",
]
