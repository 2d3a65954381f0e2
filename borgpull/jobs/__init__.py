"""Jobs, as launchers get them. Verbs with the same needs share a kind. A job is frozen data.

A kind is made when it is asked for, and takes half a millisecond. A call needs one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from borgpull.late import Late

if TYPE_CHECKING:
    from borgpull.jobs.backing import Backup as Backup
    from borgpull.jobs.base import LOCK_WAIT as LOCK_WAIT
    from borgpull.jobs.base import Job as Job
    from borgpull.jobs.base import Locking as Locking
    from borgpull.jobs.drilling import Demo as Demo
    from borgpull.jobs.drilling import Drill as Drill
    from borgpull.jobs.drilling import Drills as Drills
    from borgpull.jobs.drilling import Scratching as Scratching
    from borgpull.jobs.kinds import KINDS as KINDS
    from borgpull.jobs.kinds import Acknowledge as Acknowledge
    from borgpull.jobs.kinds import Browse as Browse
    from borgpull.jobs.kinds import Check as Check
    from borgpull.jobs.kinds import Diff as Diff
    from borgpull.jobs.kinds import Doctor as Doctor
    from borgpull.jobs.kinds import Find as Find
    from borgpull.jobs.kinds import Init as Init
    from borgpull.jobs.kinds import List as List
    from borgpull.jobs.kinds import Look as Look
    from borgpull.jobs.kinds import Prune as Prune
    from borgpull.jobs.kinds import Restore as Restore
    from borgpull.jobs.kinds import Serve as Serve
    from borgpull.jobs.kinds import Status as Status
    from borgpull.jobs.kinds import Stock as Stock
    from borgpull.jobs.kinds import Tidy as Tidy
    from borgpull.jobs.kinds import Trust as Trust
    from borgpull.jobs.parts import Access as Access
    from borgpull.jobs.parts import DrillCheck as DrillCheck
    from borgpull.jobs.parts import Keep as Keep
    from borgpull.jobs.parts import Route as Route
    from borgpull.jobs.parts import Skips as Skips
    from borgpull.jobs.wire import JOB_VERSION as JOB_VERSION
    from borgpull.jobs.wire import from_json as from_json
    from borgpull.jobs.wire import to_json as to_json

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
_LATE: Late[Any] = Late(
    __name__, {name: f"{module}.{name}" for module, names in _NAMES.items() for name in names}
)


def __getattr__(name: str) -> Any:
    if name not in _LATE:
        raise AttributeError(name)
    return _LATE[name]
