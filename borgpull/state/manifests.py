"""The manifests of a client's archives: what each one was made of, in a file of the state.

A client cannot write one, and a MAC shows if something else has. They are numbered, and each one
names the one before, so that none can take another's place.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from borgpull.borg import manifest
from borgpull.borg.inside.manifest import SUFFIX
from borgpull.borg.manifest import BadManifest
from borgpull.errors import ConfigError
from borgpull.state import files, ownkey
from borgpull.trees.manifest import Entry

LAST = "last.json"  # number and MAC of the newest one, for when it is removed


def folder_of(state: Path, client: str) -> Path:
    return state / "clients" / client / "manifests"


def plan(state: Path, client: str) -> dict[str, Any]:
    """The order for the engine (`borg/inside/manifest.py`).

    Raises DiskFull, StorageFailed, ConfigError.
    """
    folder = folder_of(state, client)
    with files.told(folder):
        folder.mkdir(mode=0o700, exist_ok=True)
        number, before = _last(folder)
    key = ownkey.key(state, client, "manifest").hex()
    return {"folder": str(folder), "key": key, "number": number + 1, "before": before}


def _last(folder: Path) -> tuple[int, str]:
    """Number and MAC of the newest; 0 and "" if there never was one. Raises OSError."""
    noted = (0, "")
    with contextlib.suppress(FileNotFoundError, ValueError, KeyError, TypeError):
        found = json.loads((folder / LAST).read_bytes())
        noted = (int(found["number"]), str(found["mac"]))
    newest = max(_all(folder), default=None)
    if newest is None or newest[0] <= noted[0]:
        return noted
    with newest[1].open("rb") as file:
        return newest[0], manifest.mac_of(file).hex()


def _all(folder: Path) -> list[tuple[int, Path]]:
    """Numbers and files."""
    paths = folder.glob(f"*-*{SUFFIX}")
    return [(int(path.name.split("-")[0]), path) for path in paths if path.name[:8].isdigit()]


def find(state: Path, client: str, archive_id: str) -> Path | None:
    found = [*folder_of(state, client).glob(f"*-{archive_id}{SUFFIX}")]
    return found[0] if len(found) == 1 else None


def require(state: Path, client: str, archive_id: str) -> None:
    """Raises ConfigError if there is none of this archive."""
    if find(state, client, archive_id) is None:
        raise ConfigError(f"there is no manifest in {folder_of(state, client)}")


@contextlib.contextmanager
def opened(state: Path, client: str, archive_id: str) -> Iterator[Iterator[Entry]]:
    """The entries of an archive. Raises BadManifest if they cannot be relied on."""
    path = find(state, client, archive_id)
    if path is None:
        raise BadManifest("there is none of this archive")
    with path.open("rb") as file:
        manifest.require_genuine(file, ownkey.key(state, client, "manifest"))
        facts = manifest.end_of(file)
        _require_in_place(path, facts)
        if facts["id"] != archive_id:
            raise BadManifest("it is another archive's")
        yield manifest.entries(file)


def _require_in_place(path: Path, facts: Mapping[str, Any]) -> None:
    """By its number, and by the one before, if that is still there."""
    every = _all(path.parent)
    number = facts["number"]
    if [other for at, other in every if at == number] != [path]:
        raise BadManifest("its number is another one's")
    for at, other in every:
        if at == number - 1:
            with other.open("rb") as file:
                if manifest.mac_of(file).hex() != facts["before"]:
                    raise BadManifest("the one before it is another one")


def sweep(state: Path, client: str, archives: Sequence[Mapping[str, Any]]) -> None:
    """Remove those whose archives are gone. `archives` are all that are left.

    Raises DiskFull, StorageFailed, ConfigError.
    """
    folder = folder_of(state, client)
    there = {item["id"] for item in archives}
    with files.told(folder):
        gone = [one for _, one in _all(folder) if one.stem.partition("-")[2] not in there]
        if not gone:
            return
        number, mac = _last(folder)
        files.replace(folder / LAST, json.dumps({"number": number, "mac": mac}).encode() + b"\n")
        for one in gone:
            one.unlink(missing_ok=True)
