"""When a client was last backed up, pruned and checked with a good end: a file in its state."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Literal

from borgpull.state import files, ledger

What = Literal["backup", "prune", "check"]
WHATS: tuple[What, ...] = ("backup", "prune", "check")


def path_of(state: Path, client: str) -> Path:
    return state / "clients" / client / "last-good.json"


def read(state: Path, client: str) -> dict[What, int]:
    """The Unix times that are known. An unreadable file has none: then both are due."""
    try:
        data = json.loads(path_of(state, client).read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    if not isinstance(data, dict):
        return {}
    times = {what: data.get(what) for what in WHATS}
    return {
        what: when
        for what, when in times.items()
        if type(when) is int and 0 <= when <= ledger.LAST_TIME
    }


def record(state: Path, client: str, what: What) -> None:
    """Note that `what` has just ended well. The file's other times stay.

    To be called with the lock of the repository held. Raises DiskFull, StorageFailed, ConfigError.
    """
    found = {**read(state, client), what: int(time.time())}
    files.replace(path_of(state, client), json.dumps(found).encode() + b"\n")


def backup(state: Path, client: str) -> int | None:
    """The Unix time of the last backup that ended well; None without one.

    The ledger alone does not tell: an archive is recorded as soon as it has its name, and its run
    can fail after that, say because others have vanished. It counts for runs of older versions,
    which recorded nothing else. Raises LedgerUnreadable.
    """
    recorded = ledger.entries(state, client)
    older = int(recorded[-1].get("time", 0)) if recorded else None
    return read(state, client).get("backup", older)
