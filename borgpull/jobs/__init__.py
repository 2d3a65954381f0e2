"""Jobs, as launchers get them. Verbs with the same needs share a kind. A job is frozen data."""

from __future__ import annotations

from borgpull.jobs.base import LOCK_WAIT, Job, Locking
from borgpull.jobs.drilling import Demo, Drill, Drills, Scratching
from borgpull.jobs.kinds import (
    KINDS,
    Acknowledge,
    Backup,
    Browse,
    Check,
    Diff,
    Doctor,
    Find,
    Init,
    List,
    Look,
    Prune,
    Restore,
    Serve,
    Status,
    Stock,
    Tidy,
    Trust,
)
from borgpull.jobs.parts import Access, DrillCheck, Keep, Route, Skips
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
    "Demo",
    "Diff",
    "Doctor",
    "Drill",
    "DrillCheck",
    "Drills",
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
    "Scratching",
    "Serve",
    "Skips",
    "Status",
    "Stock",
    "Tidy",
    "Trust",
    "from_json",
    "to_json",
]
