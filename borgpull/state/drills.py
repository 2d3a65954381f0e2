"""A client's drills: a record of each, in a folder of its state, and what they have proved.

    NUMBER.json      the record (outputs/drills.py, Drill)
    NUMBER.proved    8 bytes for each file whose content it has proved: a keyed hash of path and
                     content
    stamps.json      the last number, when the last drill began, and when the last good one ended

To be called with the lock of the client's repository held.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypedDict, cast

from borgpull.outputs.drills import Drill, History, Past
from borgpull.state import files, ledger, ownkey

HASH = 8  # bytes
KEPT = 400  # records: more than a year of daily drills
DAY = 86400
_STAMPS = "stamps.json"


def folder_of(state: Path, client: str) -> Path:
    return state / "clients" / client / "drills"


def record(drill: Drill) -> bytes:
    """The text that is kept and signed: the same for the same drill."""
    wanted = {key: drill[key] for key in Drill.__annotations__}  # type: ignore[literal-required]
    return json.dumps(wanted, indent=2, sort_keys=True).encode() + b"\n"


def begin(state: Path, client: str) -> int:
    """The number of a drill that begins now. Raises DiskFull, StorageFailed, ConfigError."""
    folder = folder_of(state, client)
    with files.told(folder):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        files.as_its_folder(folder)
        _sweep(folder)
    stamps = _stamps(folder)
    number = max([int(stamps.get("number", 0)), *_numbers(folder)]) + 1
    _stamp(folder, {**stamps, "number": number, "last_run": int(time.time())})
    return number


def keep(state: Path, client: str, drill: Drill, proved: bytes) -> None:
    """Keep a drill's record. Raises DiskFull, StorageFailed, ConfigError."""
    folder, number = folder_of(state, client), drill["number"]
    if proved:
        files.replace(folder / f"{number:08}.proved", proved, mode=0o600)
    files.replace(folder / f"{number:08}.json", record(drill), mode=0o600)
    if drill["outcome"] == "pass":
        _stamp(folder, {**_stamps(folder), "last_good": int(time.time())})
    for old in sorted(_numbers(folder))[:-KEPT]:
        for suffix in ("json", "proved"):
            (folder / f"{old:08}.{suffix}").unlink(missing_ok=True)


def history(state: Path, client: str) -> History:
    stamps = _stamps(folder_of(state, client))
    return {
        "drills": [past(drill) for drill in records(state, client)],
        "last_run": _time(stamps.get("last_run")),
        "last_good": _time(stamps.get("last_good")),
    }


class Times(TypedDict):
    """Unix times: when the last drill began, and when the last good one ended."""

    last_run: int | None
    last_good: int | None


def times(state: Path, client: str) -> Times:
    """A time that cannot be one is none."""
    found = _stamps(folder_of(state, client))
    known = {key: when for key, when in found.items() if 0 <= when <= ledger.LAST_TIME}
    return {"last_run": known.get("last_run"), "last_good": known.get("last_good")}


def past(drill: Drill) -> Past:
    found: dict[str, Any] = {key: drill[key] for key in Past.__annotations__}  # type: ignore[literal-required]
    return cast("Past", {**found, "archive": drill["archive"] or ""})


def records(state: Path, client: str) -> Iterator[Drill]:
    """The oldest first. One that cannot be read is left out."""
    folder = folder_of(state, client)
    for number in sorted(_numbers(folder)):
        with contextlib.suppress(OSError, ValueError, RecursionError):
            found = json.loads((folder / f"{number:08}.json").read_bytes())
            if isinstance(found, dict) and found.keys() >= Drill.__annotations__.keys():
                yield cast("Drill", found)


def newest_proved(state: Path, client: str) -> str | None:
    """borg's id of the newest archive that has passed a drill, of whatever part of it."""
    good = [
        (drill["archive_time"] or "", drill["archive_id"])
        for drill in records(state, client)
        if drill["outcome"] == "pass" and drill["archive_id"]
    ]
    return max(good)[1] if good else None


def last_of(state: Path, client: str, number: int) -> dict[int, int]:
    """The last drill that has passed, by its part from 0, of those with so many parts."""
    found: dict[int, int] = {}
    for drill in records(state, client):
        part, _, parts = (drill["sample"] or "").partition("/")
        if parts == str(number) and part.isdigit() and drill["outcome"] == "pass":
            found[int(part) - 1] = drill["number"]
    return found


class Proofs:
    """The contents that drills of the last days have proved."""

    def __init__(self, state: Path, client: str, days: int) -> None:
        """Raises DiskFull, StorageFailed, ConfigError."""
        self._key = ownkey.key(state, client, "drills")
        self.known: set[bytes] = set()
        self.new = bytearray()
        self.since: int | None = None  # the Unix time of the first drill that is known
        folder, now = folder_of(state, client), time.time()
        for number in sorted(_numbers(folder)):
            with contextlib.suppress(OSError):
                path = folder / f"{number:08}.proved"
                when = path.stat().st_mtime
                self.since = int(when) if self.since is None else self.since
                if now - when <= days * DAY:
                    data = path.read_bytes()
                    whole = range(0, len(data) - HASH + 1, HASH)
                    self.known.update(data[at : at + HASH] for at in whole)

    def of(self, path: str, sha256: str) -> bytes:
        data = sha256.encode() + path.encode(errors="surrogateescape")
        return hashlib.blake2b(data, digest_size=HASH, key=self._key).digest()

    def add(self, path: str, sha256: str) -> None:
        """This drill has proved it."""
        found = self.of(path, sha256)
        self.known.add(found)
        self.new += found


def _sweep(folder: Path) -> None:
    """Remove what a drill has left that was killed while it kept its record. Raises OSError.

    Its number is never used again, so nothing would replace these files.
    """
    known = set(_numbers(folder))
    for path in [*folder.glob("*.new"), *folder.glob("*.proved")]:
        if path.suffix == ".new" or (path.stem.isdigit() and int(path.stem) not in known):
            path.unlink(missing_ok=True)


def _numbers(folder: Path) -> list[int]:
    names = (path.stem for path in folder.glob("*.json"))
    return [int(name) for name in names if name.isdigit()]


def _stamps(folder: Path) -> dict[str, int]:
    try:
        found = json.loads((folder / _STAMPS).read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    if not isinstance(found, dict):
        return {}
    return {key: value for key, value in found.items() if type(value) is int}


def _stamp(folder: Path, stamps: dict[str, int]) -> None:
    files.replace(folder / _STAMPS, json.dumps(stamps).encode() + b"\n")


def _time(when: int | None) -> str | None:
    try:
        return None if when is None else datetime.fromtimestamp(when, UTC).isoformat()
    except (OverflowError, ValueError, OSError):
        return None
