"""What the guard keeps of a client's runs, in a folder of its state.

    SCOPE/NUMBER.json    the figures of a run (guard/figures.py)
    SCOPE/last.sketch    of the last good run, or of the last one that a user has accepted
    SCOPE/tripped.sketch of a run that has tripped the guard
    frozen.json          there as long as nothing of the client may be removed
    last.json            what the guard has said of the last run

A scope is what a run saves: its paths, and what it leaves out. Runs of another scope are not
compared. To be called with the lock of the client's repository held.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from borgpull.state import files

KEPT, SCOPES = 30, 16  # figures of a scope; scopes
_FROZEN, _LAST = "frozen.json", "last.json"
_GOOD, _TRIPPED = "last.sketch", "tripped.sketch"


def folder_of(state: Path, client: str) -> Path:
    return state / "clients" / client / "guard"


def frozen(state: Path, client: str) -> dict[str, Any] | None:
    """What has frozen the client, or None. It is frozen, too, if nobody can read by what."""
    return _read(folder_of(state, client) / _FROZEN, {"since": "", "archive": "", "findings": []})


def freeze(state: Path, client: str, facts: Mapping[str, Any]) -> None:
    """Raises DiskFull, StorageFailed, ConfigError."""
    _write(folder_of(state, client) / _FROZEN, facts)


def last(state: Path, client: str) -> dict[str, Any] | None:
    """What `tell` has noted; None if there was no run."""
    return _read(folder_of(state, client) / _LAST, None)


def tell(state: Path, client: str, found: Mapping[str, Any]) -> None:
    """Note what was said of the last run. Raises DiskFull, StorageFailed, ConfigError."""
    if last(state, client) != found:  # mostly, it is the same: a disk takes a while to write it
        _made(folder_of(state, client))
        _write(folder_of(state, client) / _LAST, found)


class Scope:
    """The runs of one scope."""

    def __init__(self, state: Path, client: str, parts: Sequence[object]) -> None:
        """`parts` say what is saved. Nothing is made."""
        name = hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]
        self._above = folder_of(state, client)
        self._folder = self._above / name

    def make(self) -> None:
        """Make room for it. Raises DiskFull, StorageFailed, ConfigError."""
        _made(self._above)
        _made(self._folder)
        with files.told(self._above):
            others = sorted(self._above.glob("*/"), key=lambda path: path.stat().st_mtime)
            for old in [path for path in others if path != self._folder][: -(SCOPES - 1)]:
                shutil.rmtree(old)

    @property
    def sketch(self) -> Path:
        """Of the last good run."""
        return self._folder / _GOOD

    @property
    def tripped(self) -> Path:
        """Where the sketch of a run is that has tripped the guard."""
        return self._folder / _TRIPPED

    def figures(self) -> Iterator[Any]:
        """Those of the runs that can be read, the newest first."""
        found = (_read(path, None) for path in reversed(_numbered(self._folder)))
        return (one for one in found if one is not None)

    def keep(self, figures: Mapping[str, Any]) -> None:
        """Raises DiskFull, StorageFailed, ConfigError."""
        paths = _numbered(self._folder)
        number = int(paths[-1].stem) + 1 if paths else 1
        _write(self._folder / f"{number:08}.json", figures)
        with files.told(self._folder):
            if figures["good"]:
                self.tripped.unlink(missing_ok=True)
            for old in paths[: -(KEPT - 1)]:
                old.unlink(missing_ok=True)


def lift(state: Path, client: str) -> None:
    """Take what has tripped the guard for how things are, and let archives be removed again.

    Raises DiskFull, StorageFailed, ConfigError.
    """
    folder = folder_of(state, client)
    for scope in folder.glob("*/"):
        paths = _numbered(scope)
        found = _read(paths[-1], None) if paths else None
        if found is not None and found.get("good") is False:
            _write(paths[-1], {**found, "accepted": True})
        with files.told(scope), contextlib.suppress(FileNotFoundError):
            (scope / _TRIPPED).replace(scope / _GOOD)
    with files.told(folder):
        (folder / _FROZEN).unlink(missing_ok=True)


def _numbered(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob("*.json") if path.stem.isdigit())


def _made(folder: Path) -> None:
    with files.told(folder):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)


def _read(path: Path, unreadable: dict[str, Any] | None) -> dict[str, Any] | None:
    """None if it is not there; `unreadable` if it is no record of ours."""
    try:
        found = json.loads(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValueError, RecursionError):
        return unreadable
    return found if isinstance(found, dict) else unreadable


def _write(path: Path, facts: Mapping[str, Any]) -> None:
    files.replace(path, json.dumps(facts, indent=1).encode() + b"\n", mode=0o600)
