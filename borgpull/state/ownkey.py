"""A client's key that never leaves this server: for what a client must not foresee or forge."""

from __future__ import annotations

import hmac
import os
from pathlib import Path

from borgpull.state import files

SIZE = 32


def path_of(state: Path, client: str) -> Path:
    return state / "clients" / client / "own-key"


def key(state: Path, client: str, use: str) -> bytes:
    """The key for one use. The first call makes it. Raises DiskFull, StorageFailed, ConfigError.

    To be called with the lock of the repository held.
    """
    path = path_of(state, client)
    with files.told(path):
        try:
            found = path.read_bytes()
        except FileNotFoundError:
            found = b""
    if len(found) != SIZE:
        found = os.urandom(SIZE)
        files.replace(path, found, mode=0o600)
    return hmac.digest(found, use.encode(), "sha256")
