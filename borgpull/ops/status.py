"""Status: when clients were last successfully backed up, pruned, checked and drilled.

It reads only the state, and names in the folder of the repositories. It needs no passphrase, no
lock and no network. So it cannot tell what a client has done to its repository since.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

from borgpull import jobs
from borgpull.borg import repository
from borgpull.errors import ConfigError, GuardTripped, LedgerUnreadable, Overdue
from borgpull.events import Emit
from borgpull.ops.workspace import owned
from borgpull.outputs.guard import Frozen
from borgpull.outputs.retention import Client, Good, Status
from borgpull.results import Failure, Result
from borgpull.state import drills, guards, lastgood

# Seconds that a recorded time may lie ahead: a clock may have been put back a little.
AHEAD_SECONDS = 300


def run(job: jobs.Status, _emit: Emit) -> Result:
    """One row for each client; the result has a failure if one is red.

    Raises ConfigError if a limit is given and no client is known: a folder that is not mounted must
    not look like one in which all is well.
    """
    limits = {
        "backup": job.max_backup_age,
        "prune": job.max_prune_age,
        "check": job.max_check_age,
        "drill": job.max_drill_age,
    }
    with owned(job.places):
        known = found(Path(job.places.repo), Path(job.places.state))
        rows = [row(job, name, limits) for name in job.clients or known]
    limited = any(limit is not None for limit in limits.values())
    if limited and not rows:
        raise ConfigError(f"there is no client in {job.places.repo} and {job.places.state}")
    if not limited and (lost := [name for name in job.clients if name not in known]):
        names = ", ".join(lost)
        raise ConfigError(f"there is no {names} in {job.places.repo} and {job.places.state}")
    failure = judged(rows)
    data: Status = {"clients": rows}
    return Result(verb=job.verb, ok=failure is None, failure=failure, data=data)


def found(repo: Path, state: Path) -> tuple[str, ...]:
    """All clients that have a repository, or a folder in the state."""
    names = {path.parent.name for path in repo.glob("*/config")}
    return tuple(sorted(names | {path.name for path in state.glob("clients/*") if path.is_dir()}))


def row(job: jobs.Status, client: str, limits: Mapping[str, int | None]) -> Client:
    state, now = Path(job.places.state), int(time.time())
    times, backup, unreadable = lastgood.read(state, client), None, None
    try:
        backup = lastgood.backup(state, client)
    except LedgerUnreadable as error:
        unreadable = error.message
    drilled = drills.times(state, client)
    whens = {
        "backup": backup,
        "prune": times.get("prune"),
        "check": times.get("check"),
        "drill": drilled["last_good"],
    }
    goods = {what: good(when, limits[what], now) for what, when in whens.items()}
    frozen, last = guards.frozen(state, client), guards.last(state, client) or {}
    there = repository.exists(Path(job.places.repo) / client)
    # Without its repository, say because that is not mounted, a client is in order by no limit.
    fits = there or all(limit is None for limit in limits.values())
    return {
        "client": client,
        "repository": there,
        "ok": unreadable is None
        and frozen is None
        and fits
        and all(item["ok"] for item in goods.values()),
        "backup": goods["backup"],
        "prune": goods["prune"],
        "check": goods["check"],
        "drill": goods["drill"],
        "last_drill": utc(drilled["last_run"]),
        "guard": last.get("state"),
        "frozen": cast("Frozen | None", frozen),
        "unreadable": unreadable,
    }


def good(when: int | None, limit: int | None, now: int) -> Good:
    """The facts of a time. No time, or a time to come, is too old for any limit."""
    age = None if when is None else now - when
    return {
        "time": utc(when),
        "age": age,
        "max_age": limit,
        "ok": limit is None or (age is not None and -AHEAD_SECONDS <= age <= limit),
    }


def utc(when: int | None) -> str | None:
    return None if when is None else datetime.fromtimestamp(when, UTC).isoformat()


def judged(rows: list[Client]) -> Failure | None:
    """The failure for the worst row: an unreadable ledger is worse than what the guard has found,
    and that is worse than an old backup."""
    for kind, red in (
        (LedgerUnreadable, [item for item in rows if item["unreadable"] is not None]),
        (GuardTripped, [item for item in rows if item["frozen"] is not None]),
        (Overdue, [item for item in rows if not item["ok"]]),
    ):
        if red:
            names = ", ".join(item["client"] for item in red)
            text = f"{len(red)} of {len(rows)} client(s) not in order: {names}"
            return Failure.of(kind(text))
    return None
