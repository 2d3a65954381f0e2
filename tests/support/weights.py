"""How long each file of docker tests takes: long ones start first, so that none is left alone.

`tests/weights.json` has seconds of a full run by `make test`. A run with BORGPULL_TEST_WEIGHTS set
writes it anew.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

RECORD = Path(__file__).resolve().parents[1] / "weights.json"


def file_of(nodeid: str) -> str:
    return nodeid.partition("::")[0]


def recorded() -> dict[str, float]:
    """File of tests to its seconds."""
    found: dict[str, float] = json.loads(RECORD.read_text())
    return found


def record(seconds: Mapping[str, float]) -> None:
    """Files that were not run keep what they have."""
    rounded = {file: float(round(value)) for file, value in seconds.items() if "/docker/" in file}
    text = json.dumps({**recorded(), **rounded}, indent=2, sort_keys=True)
    RECORD.write_text(text + "\n")


def key(file: str, known: dict[str, float], *, docker: bool) -> float:
    """What to sort by: the first have the smallest. A file that nobody has weighed may be long."""
    return -known.get(file, float("inf")) if docker else float("-inf")
