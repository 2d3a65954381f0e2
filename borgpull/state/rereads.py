"""Which share of a client's unchanged files is read once more in the next run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from borgpull.state import files, ownkey


def path_of(state: Path, client: str) -> Path:
    return state / "clients" / client / "rereads.json"


def _runs(state: Path, client: str) -> int:
    """How many runs have reread files. An unreadable file has none: the shares begin anew."""
    try:
        found = json.loads(path_of(state, client).read_bytes())["runs"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return 0
    return found if type(found) is int and found >= 0 else 0


def plan(state: Path, client: str, share: int) -> dict[str, Any]:
    """The order for the engine: one in `share` files, others than in the last run.

    Raises DiskFull, StorageFailed, ConfigError.
    """
    key = ownkey.key(state, client, "reread")
    return {"key": key.hex(), "share": share, "run": _runs(state, client)}


def done(state: Path, client: str) -> None:
    """A run has ended well. Raises DiskFull, StorageFailed, ConfigError."""
    text = json.dumps({"runs": _runs(state, client) + 1}).encode() + b"\n"
    files.replace(path_of(state, client), text)
