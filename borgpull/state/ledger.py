"""Our own record of a client's archives, below /state: JSON lines, which are only added to.

The repository's list cannot show that an archive was removed or put in. A client with access to
`borg serve` may do both, even with --append-only. So verified archives are also written here, and
`ops/standing.py` compares the list with them.

A line without `event` is a verified archive: `archive`, its final `id`, and `archive_time`, its
time in the repository's list. (`archive_id` is its id before the renaming.) The time is watched,
too: a client may change it, and it decides which archive is the newest, and what `prune` removes.
Lines of older versions have neither id nor time. In events, archives are names, ids, known times:

    begun          archives     were there when this ledger began: it is not known what made them
    seen           archives     ids and times of archives that were recorded without; an empty id
                                if the archive was gone: a later one of its name is another one
    removing       archives     a prune of ours is about to remove these: each is gone by it, or is
                                still there, until a `command` tells which
    command        removed, made  by stock borg in our own command; `command` is its words
    adopted        archives     no run made them, but the user wants them to count
    acknowledged   archives     vanished, and the user accepts that
    lifted         reason, frozen  the user accepts what the guard has found
    manifest       number, mac, id  of the manifest that was made of the archive `id`
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from borgpull.borg.repository import may_count
from borgpull.errors import LedgerUnreadable
from borgpull.state import files

# Name and borg id of an archive; None as long as only its id before the renaming is known.
Key = tuple[str, str | None]
MANIFEST = "manifest"
GONE = ""  # the id of an archive that had gone before its id was known
# An archive as `repository.archives` has it: `name`, `id`, `time`.
Archives = Sequence[Mapping[str, Any]]
# The fields of an event that hold archives.
PAIRS = {
    "begun": ("archives",),
    "seen": ("archives",),
    "removing": ("archives",),
    "command": ("removed", "made"),
    "adopted": ("archives",),
    "acknowledged": ("archives",),
}
LAST_TIME = 253402300799  # the end of the year 9999, the last one in Python's calendar


def path_of(state: Path, client: str) -> Path:
    return state / "clients" / client / "ledger.jsonl"


def lines(state: Path, client: str) -> list[dict[str, Any]]:
    """All lines, oldest first; none if there is no ledger.

    A last line that a full disk or a lost machine has cut is ignored. Raises LedgerUnreadable for
    any other unreadable text: it may hide archives that have vanished.
    """
    path = path_of(state, client)
    try:
        *whole, rest = path.read_bytes().split(b"\n")
    except FileNotFoundError:
        return []
    except OSError as error:
        raise LedgerUnreadable(f"cannot read {path}: {error.strerror}") from None
    found = []
    for number, text in enumerate(whole, 1):
        line = _parse(text)
        if line is None:
            raise LedgerUnreadable(f"{path} is damaged in line {number}")
        found.append(line)
    last = _parse(rest)
    return found if last is None else [*found, last]


def _parse(text: bytes) -> dict[str, Any] | None:
    """A line; None if it is none of ours."""
    try:
        line = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return line if isinstance(line, dict) and _is_sound(line) else None


def _is_sound(line: Mapping[str, Any]) -> bool:
    """Has a line the fields that its readers need? Events of later versions are not read here."""
    when, event = line.get("time", 0), line.get("event")
    if not isinstance(when, int) or not 0 <= when <= LAST_TIME:
        return False
    if event is None:
        items = line.get("items", {})
        words = [line.get("archive"), line.get("id"), line.get("archive_time")]
        return _is_pair(words) and isinstance(items, dict)
    if event == MANIFEST:
        words = [line.get(name) for name in ("number", "mac", "id")]
        return [type(word) for word in words] == [int, str, str]
    fields = [line.get(name) for name in PAIRS.get(str(event), ())]
    return all(isinstance(pairs, list) and all(map(_is_pair, pairs)) for pairs in fields)


def _is_pair(pair: object) -> bool:
    match pair:
        case [str(), str() | None] | [str(), str() | None, str() | None]:
            return True
    return False


def entries(state: Path, client: str) -> list[dict[str, Any]]:
    """All verified archives that were ever recorded, oldest first."""
    return [line for line in lines(state, client) if "event" not in line]


class Watched(NamedTuple):
    """An archive that should be there."""

    when: int  # the Unix time of its record
    time: str | None = None  # the archive's time in the list; None if it was not recorded


@dataclass
class Known:
    """What a ledger knows: the archives that should be there, and those that were there before it.

    They are told apart by name and id: a new archive with a lost one's name does not replace it.
    """

    watched: dict[Key, Watched] = field(default_factory=dict)
    found: set[Key] = field(default_factory=set)
    # The archives of `watched` that our prune is removing, or was removing when it was killed.
    leaving: set[Key] = field(default_factory=set)
    begun: bool = False  # is there a ledger at all?


def known(history: Iterable[Mapping[str, Any]]) -> Known:
    """The knowledge that these lines add up to."""
    made = Known()
    for line in history:
        made.begun = True
        _apply(line, made)
    return made


def _apply(line: Mapping[str, Any], to: Known) -> None:
    watched, when = to.watched, int(line.get("time", 0))
    match line.get("event"):
        case None:
            watched[line["archive"], line.get("id")] = Watched(when, line.get("archive_time"))
        case "begun":
            to.found |= {key for key, _ in _read(line["archives"])}
        case "seen":
            for (name, borg_id), its_time in _read(line["archives"]):
                old = (name, None if (name, None) in watched else borg_id)
                if old in watched:
                    watched[name, borg_id] = Watched(watched.pop(old).when, its_time)
        case "removing":
            to.leaving = {key for key, _ in _read(line["archives"]) if key in watched}
        case "command":
            to.leaving = set()
            for (name, borg_id), _ in _read(line["removed"]):
                watched.pop((name, borg_id if (name, borg_id) in watched else None), None)
            watched |= {key: Watched(when, own) for key, own in _read(line["made"])}
        case "adopted":
            watched |= {key: Watched(when, own) for key, own in _read(line["archives"])}
        case "acknowledged":
            for (name, borg_id), _ in _read(line["archives"]):
                watched.pop((name, borg_id), None)
                if borg_id is None:
                    watched.pop((name, GONE), None)


def _read(archives: Iterable[Sequence[Any]]) -> Iterator[tuple[Key, str | None]]:
    for name, borg_id, *more in archives:
        yield (name, borg_id), more[0] if more else None


def record(state: Path, client: str, data: Mapping[str, Any], row: Mapping[str, Any]) -> None:
    """Add a verified archive; `row` is the list's. It is on the disk when this returns.

    Raises DiskFull, ConfigError: an archive that is not recorded is a failure.
    """
    _add(state, client, {**data, "id": row["id"], "archive_time": row["time"]})


def manifest(state: Path, client: str, number: int, mac: str, archive_id: str) -> None:
    """Add that an archive has a manifest. Raises DiskFull, ConfigError."""
    _add(state, client, {"event": MANIFEST, "number": number, "mac": mac, "id": archive_id})


def see(state: Path, client: str, archives: Archives) -> None:
    """Record the archives that are there before a client can reach the repository.

    So no archive that the client puts in is taken for one of them. A new ledger begins; in an old
    one, archives without an id or a time get theirs.

    Raises LedgerUnreadable, DiskFull, ConfigError.
    """
    now = known(lines(state, client))
    if not now.begun:
        _add(state, client, {"event": "begun", "archives": _pairs(archives)})
        return
    _settle(state, client, now, archives)
    there = {str(item["name"]): item for item in archives}
    found: list[list[Any]] = []
    for (name, borg_id), watched in now.watched.items():
        item = there.get(name)
        if borg_id is None:
            found.append([name, GONE, None] if item is None else _words(item))
        elif watched.time is None and item is not None and item["id"] == borg_id:
            found.append(_words(item))
    if found:
        _add(state, client, {"event": "seen", "archives": found})


def removing(state: Path, client: str, archives: Archives) -> None:
    """Record that a prune will now remove these watched archives: a missing one is no loss.

    This holds until `settle`, or after a killed run until `see`. Raises DiskFull, ConfigError.
    """
    _add(state, client, {"event": "removing", "archives": _pairs(archives)})


def settle(state: Path, client: str, archives: Archives) -> None:
    """Record the end of a prune, even of one that failed.

    An archive of `removing` that is no longer listed was removed by the prune. One that is listed
    is watched as before. Other missing archives have vanished. Raises LedgerUnreadable, DiskFull,
    ConfigError.
    """
    _settle(state, client, known(lines(state, client)), archives)


def _settle(state: Path, client: str, now: Known, archives: Archives) -> None:
    if not now.leaving:
        return
    there = {(item["name"], item["id"]) for item in archives}
    gone = sorted((now.leaving & now.watched.keys()) - there, key=str)
    removed = [[*key, now.watched[key].time] for key in gone]
    line = {"event": "command", "command": ["prune"], "removed": removed, "made": []}
    _add(state, client, line)


def record_command(
    state: Path,
    client: str,
    words: Sequence[str],
    before: Archives,
    after: Archives,
    *,
    makes: bool = True,
) -> None:
    """Record what a command of ours did to the list, so that what it removed has not vanished.

    If the command `makes` archives, the new or renamed ones are watched from now on. Names that
    cannot count are not watched. Raises DiskFull, ConfigError.
    """
    old = {(item["name"], item["id"]): item for item in before}
    new = {(item["name"], item["id"]): item for item in after}
    removed = [_words(old[key]) for key in old if key not in new]
    made = [_words(new[key]) for key in new if key not in old and may_count(key[0])]
    made = made if makes else []
    if removed or made:
        line = {"event": "command", "command": list(words), "removed": removed, "made": made}
        _add(state, client, line)


def adopt(state: Path, client: str, archives: Archives) -> None:
    """The user wants these to count: they are watched from now on. Raises DiskFull, ConfigError."""
    if archives:
        _add(state, client, {"event": "adopted", "archives": _pairs(archives)})


def acknowledge(state: Path, client: str, lost: Archives) -> None:
    """The user accepts these losses: they are watched no more. Raises DiskFull, ConfigError."""
    if lost:
        _add(state, client, {"event": "acknowledged", "archives": _pairs(lost)})


def lift(state: Path, client: str, reason: str, frozen: Mapping[str, Any]) -> None:
    """The user accepts what the guard has found. Raises DiskFull, ConfigError."""
    _add(state, client, {"event": "lifted", "reason": reason, "frozen": dict(frozen)})


def _pairs(archives: Archives) -> list[list[Any]]:
    return [_words(item) for item in archives]


def _words(item: Mapping[str, Any]) -> list[Any]:
    return [item["name"], item["id"], item["time"]]


def _add(state: Path, client: str, line: Mapping[str, Any]) -> None:
    """Raises DiskFull, StorageFailed, ConfigError."""
    data = (json.dumps({"time": int(time.time()), **line}) + "\n").encode()
    files.append(path_of(state, client), data, lambda text: _parse(text) is not None)
