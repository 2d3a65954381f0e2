"""The manifests of a client's archives: what each one was made of, in a file of the state.

A client cannot write one, and a MAC shows if something else has. They are numbered, and each one
names the one before, so that none can take another's place.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, NamedTuple

from borgpull.borg import manifest
from borgpull.borg.inside.manifest import NEW, SUFFIX
from borgpull.borg.inside.records import Record
from borgpull.borg.manifest import BadManifest
from borgpull.errors import ConfigError
from borgpull.outputs.backups import Manifest
from borgpull.state import files, ledger, ownkey
from borgpull.trees.manifest import ALL, Carried, Entry

# What shows that a file is the one that an earlier run has read.
_TELLS_FILES: frozenset[Carried] = frozenset(("links", "ns", "ctimes"))
LAST = "last.json"  # number and MAC of the newest one, for when it is removed


def folder_of(state: Path, client: str) -> Path:
    return state / "clients" / client / "manifests"


@dataclass(frozen=True)
class Opened:
    """A manifest that can be relied on. Its entries can be read once."""

    number: int
    archive: str  # the name when it was made
    sees: frozenset[str]  # of `Carried`: what its reader could see, and the archive can hold
    entries: Iterator[Entry]

    def __iter__(self) -> Iterator[Entry]:
        return self.entries


class Skimmed(NamedTuple):
    """The records of a manifest. They can be read once."""

    records: Iterator[Record]
    some: bool  # only some contents have a sum, and others in the next one
    inode: int  # of its file
    entries: int  # as its end says; 0 if it has none yet


def plan(
    state: Path,
    client: str,
    carried: Sequence[Carried],
    kept: Sequence[Carried] = ALL,
    *,
    some: bool = False,
) -> dict[str, Any]:
    """The order for what writes the next one (`borg/inside/manifest.py`).

    `carried` is what the reader can see, and `kept` what the method keeps of it. `some`: only some
    contents will have a sum.

    Raises DiskFull, StorageFailed, ConfigError, LedgerUnreadable.
    """
    folder = folder_of(state, client)
    with files.told(folder):
        folder.mkdir(mode=0o700, exist_ok=True)
        number, before = _last(folder)
    # What the ledger knows shows a newest one that was lost or taken away.
    for line in _recorded(state, client):
        if line["number"] > number:
            number, before = line["number"], line["mac"]
    key = ownkey.key(state, client, "manifest").hex()
    more = {"number": number + 1, "before": before}
    seen = {"carried": list(carried), "kept": list(kept), "some": some}
    return {"folder": str(folder), "key": key, **more, **seen}


@contextlib.contextmanager
def none_unfinished(state: Path, client: str) -> Iterator[None]:
    """What is unfinished at the end goes: who wrote it may have been stopped, and could not."""
    try:
        yield
    finally:
        with contextlib.suppress(OSError):  # the next one is written in its place
            (folder_of(state, client) / NEW).unlink(missing_ok=True)


def earlier(
    state: Path, client: str, roots: Sequence[str], carried: Sequence[Carried]
) -> Path | None:
    """The newest one whose sums may be taken over for what a reader lists that sees `carried`.

    One of the same paths goes before. None if there is none. Raises BadManifest if it cannot be
    relied on, OSError.
    """
    if not _TELLS_FILES.issubset(carried):
        return None
    words = [os.fsencode(root).hex() for root in roots]
    found: Path | None = None
    for _, path in sorted(_all(folder_of(state, client)), reverse=True):
        with path.open("rb") as file:
            begin = manifest.begin_of(file)
        if _TELLS_FILES.issubset(begin.get("carried", ())):
            found = found or path
            if begin.get("roots") == words:
                found = path
                break
    if found is not None:
        with _genuine(state, client, found.stem.partition("-")[2]):
            return found
    return None


def _recorded(state: Path, client: str) -> list[dict[str, Any]]:
    """What the ledger knows of manifests, the oldest first. Raises LedgerUnreadable."""
    lines = ledger.lines(state, client)
    return [line for line in lines if line.get("event") == ledger.MANIFEST]


def _last(folder: Path) -> tuple[int, str]:
    """Number and MAC of the newest; 0 and "" if there never was one. Raises OSError."""
    noted = (0, "")
    with contextlib.suppress(FileNotFoundError, ValueError, KeyError, TypeError):
        found = json.loads((folder / LAST).read_bytes())
        noted = (int(found["number"]), str(found["mac"]))
    newest = max(_all(folder), default=None)
    if newest is None or newest[0] <= noted[0]:
        return noted
    with newest[1].open("rb") as file, contextlib.suppress(BadManifest):
        return newest[0], manifest.mac_of(file).hex()
    return newest[0], ""


def _all(folder: Path) -> list[tuple[int, Path]]:
    """Numbers and files."""
    paths = folder.glob(f"*-*{SUFFIX}")
    return [(int(path.name.split("-")[0]), path) for path in paths if path.name[:8].isdigit()]


def find(state: Path, client: str, archive_id: str) -> Path | None:
    found = [*folder_of(state, client).glob(f"*-{archive_id}{SUFFIX}")]
    return found[0] if len(found) == 1 else None


def kept(state: Path, client: str, archive_id: str) -> Manifest:
    """What there is of the archive that a run has just made; the ledger knows it from now on.

    Raises ConfigError if there is none; DiskFull, StorageFailed.
    """
    path = find(state, client, archive_id)
    if path is None:
        raise ConfigError(f"there is none in {folder_of(state, client)}")
    try:
        with files.told(path), path.open("rb") as file:
            _, end = manifest.facts_of(file)
            mac = manifest.mac_of(file).hex()
    except BadManifest as error:
        raise ConfigError(f"{path}: {error}") from None
    ledger.manifest(state, client, end["number"], mac, archive_id)
    return {
        "number": end["number"],
        "entries": end["entries"],
        "hashed": end["hashed"],
        "unsure": end["unsure"],
    }


@contextlib.contextmanager
def opened(state: Path, client: str, archive_id: str) -> Iterator[Opened]:
    """The manifest of an archive, with its entries. Raises BadManifest if it cannot be relied on.

    Only what is not on this server can tell that the state and the repository were both put back to
    an earlier day: the numbers in results and in reports of drills begin again then.
    """
    with _genuine(state, client, archive_id) as (file, begin, end):
        sees = frozenset(begin["carried"]) & frozenset(begin["kept"])
        yield Opened(end["number"], end["archive"], sees, manifest.entries(file))


@contextlib.contextmanager
def skimmed(state: Path, client: str, archive_id: str) -> Iterator[Skimmed]:
    """Its records, as the client had all, which are read faster. Raises BadManifest."""
    with _genuine(state, client, archive_id) as (file, begin, end):
        inode = os.fstat(file.fileno()).st_ino
        yield Skimmed(manifest.records(file), bool(begin.get("some")), inode, end["entries"])


@contextlib.contextmanager
def unfinished(state: Path, client: str) -> Iterator[Skimmed]:
    """As `skimmed`, of the one whose archive is being saved. All but its end is there.

    Nothing shows yet whether something else has written it. Raises BadManifest, OSError.
    """
    with (folder_of(state, client) / NEW).open("rb") as file:
        begin, st = manifest.begin_of(file), os.fstat(file.fileno())
        found = manifest.records(file, st.st_size)
        yield Skimmed(found, bool(begin.get("some")), st.st_ino, 0)


def paths(state: Path, client: str, archive_id: str) -> Iterator[str]:
    """Those of all its entries. Raises BadManifest."""
    with _genuine(state, client, archive_id) as (file, _, _):
        yield from manifest.paths(file)


@contextlib.contextmanager
def _genuine(
    state: Path, client: str, archive_id: str
) -> Iterator[tuple[IO[bytes], dict[str, Any], dict[str, Any]]]:
    """The file, and the facts of its beginning and of its end.

    What is wrong with it is found in the order of `manifest.Why`, so that each fault has its own
    word. Raises BadManifest.
    """
    path = find(state, client, archive_id)
    if path is None:
        raise BadManifest("missing", _missing(state, client, archive_id))
    with path.open("rb") as file:
        manifest.require_genuine(file, ownkey.key(state, client, "manifest"))
        begin, end = manifest.facts_of(file)
        _require_in_place(path, end)
        if end["id"] != archive_id:
            raise BadManifest("archive", "it is another archive's")
        manifest.require_format(begin)
        yield file, begin, end


def _missing(state: Path, client: str, archive_id: str) -> str:
    """Was there ever one?"""
    for line in _recorded(state, client):
        if line["id"] == archive_id:
            return f"the one of this archive is gone: the ledger has it as number {line['number']}"
    return "there is none of this archive, and the ledger knows of none"


def _require_in_place(path: Path, end: Mapping[str, Any]) -> None:
    """By its number, and by the one before, if that is still there. Raises BadManifest."""
    every = _all(path.parent)
    number = end["number"]
    if [other for at, other in every if at == number] != [path]:
        raise BadManifest("number", f"its number, {number}, is another one's")
    for at, other in every:
        if at == number - 1:
            with other.open("rb") as file:
                if manifest.mac_of(file).hex() != end["before"]:
                    raise BadManifest("predecessor", "the one before it is another one")


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
