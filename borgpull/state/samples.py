"""Which files of a client have their content hashed for a manifest."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from borgpull.borg.inside.sample import FOR_BARE
from borgpull.state import ownkey

# One file in so many has its turn, another one in each manifest, whether it has a sum or not. Of a
# client with more content it is a smaller share, so that `BYTES` are enough for it.
SHARE = 30
# The most that is read for one manifest, and for how long. No larger file than LARGEST is hashed:
# it is the part for files without a sum (`borg/inside/sample.py`).
BYTES, SECONDS = 256 << 20, 30.0
LARGEST = int(FOR_BARE * BYTES)


def plan(state: Path, client: str, number: int) -> dict[str, Any]:
    """The order for `borg/inside/sample.py`, for the manifest of that number.

    Raises DiskFull, StorageFailed, ConfigError.
    """
    key = ownkey.key(state, client, "hashes").hex()
    bounds = {"largest": LARGEST, "bytes": BYTES, "seconds": SECONDS}
    return {"key": key, "share": SHARE, "turn": number, **bounds}
