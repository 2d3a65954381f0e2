"""Our own record of what was archived, one JSON line a verified archive, below /state.

A repository whose archives are fewer than the ledger knows has been tampered with, or pruned.
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

from borgpull.errors import ConfigError
from borgpull.model import Result


def path_of(state: Path, client: str) -> Path:
    return state / "clients" / client / "ledger.jsonl"


def record(state: Path, result: Result) -> None:
    """Add a verified archive. Raises ConfigError: an archive that is not recorded is a failure."""
    line = json.dumps({"time": int(time.time()), **result.data})
    try:
        with path_of(state, result.client).open("a") as file:
            file.write(line + "\n")
    except OSError as error:
        raise ConfigError(f"cannot write the ledger of {result.client}: {error.strerror}") from None


def entries(state: Path, client: str) -> list[dict[str, Any]]:
    """What was recorded, oldest first; a line cut by a full disk is passed over."""
    try:
        lines = path_of(state, client).read_text().splitlines()
    except OSError:
        return []
    found = []
    for line in lines:
        try:
            found.append(dict(json.loads(line)))
        except ValueError:
            continue
    return found
