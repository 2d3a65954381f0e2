"""Jobs, as launchers get them. Verbs with the same needs share a kind. A job is frozen data.

A kind is made when it is asked for, and takes half a millisecond. A call needs one.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from borgpull.jobs.backing import Backup
    from borgpull.jobs.base import LOCK_WAIT, Job, Locking
    from borgpull.jobs.drilling import Demo, Drill, Drills, Scratching
    from borgpull.jobs.kinds import (
        KINDS,
        Acknowledge,
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

# By module of this package.
_NAMES = {
    "backing": ("Backup",),
    "base": ("LOCK_WAIT", "Job", "Locking"),
    "drilling": ("Demo", "Drill", "Drills", "Scratching"),
    "kinds": (
        *("KINDS", "Acknowledge", "Browse", "Check", "Diff", "Doctor", "Find", "Init", "List"),
        *("Look", "Prune", "Restore", "Serve", "Status", "Stock", "Tidy", "Trust"),
    ),
    "parts": ("Access", "DrillCheck", "Keep", "Route", "Skips"),
    "wire": ("JOB_VERSION", "from_json", "to_json"),
}
_MODULES = {name: module for module, names in _NAMES.items() for name in names}

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


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(name)
    return getattr(importlib.import_module(f"{__name__}.{_MODULES[name]}"), name)
