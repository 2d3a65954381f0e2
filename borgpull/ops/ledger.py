"""Our own record of a client's archives, below /state: JSON lines that are only ever added to.

The repository's list of archives cannot tell that one is missing: a client that borg lets in may
delete, with `borg serve --append-only` too. So what was verified is also written here, and what the
list lacks against it has vanished, unless a command of this server removed it.

A line without `event` is a verified archive: `archive`, and `id` where its final id was known.
(`archive_id` is of before the renaming.) The others, whose archives are pairs of name and borg id:

    seen           archives     the ids that archives have, which were recorded without
    command        removed, made  what stock borg did by our own command; `command` is its words
    acknowledged   archives     vanished, and somebody has looked
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from borgpull.borg.repository import is_verified
from borgpull.errors import ArchivesVanished, ConfigError
from borgpull.model import Result

SHOWN_NAMES = 5
# Name and borg id of an archive; None as long as only its id of before the renaming is known.
Key = tuple[str, str | None]
# An archive as `repository.archives` has it: `name`, `id`, `time`.
Archives = Sequence[Mapping[str, Any]]


def path_of(state: Path, client: str) -> Path:
    return state / "clients" / client / "ledger.jsonl"


def lines(state: Path, client: str) -> list[dict[str, Any]]:
    """All lines, oldest first; one that was cut by a full disk is passed over."""
    try:
        texts = path_of(state, client).read_text().splitlines()
    except OSError:
        return []
    found = []
    for text in texts:
        try:
            line = json.loads(text)
        except ValueError:
            continue
        if isinstance(line, dict):
            found.append(line)
    return found


def entries(state: Path, client: str) -> list[dict[str, Any]]:
    """The verified archives that were recorded, oldest first, whatever became of them."""
    return [line for line in lines(state, client) if "event" not in line]


def record(state: Path, result: Result, borg_id: str | None = None) -> None:
    """Add a verified archive, with its final id if known.

    Raises ConfigError: an archive that is not recorded is a failure.
    """
    _add(state, result.client, {**result.data, **({"id": borg_id} if borg_id else {})})


def watched(history: Iterable[Mapping[str, Any]]) -> dict[Key, int]:
    """The archives that should be there, with the Unix times of their records.

    By name and id: an archive that took the name of a lost one does not stand for it.
    """
    found: dict[Key, int] = {}
    for line in history:
        when = int(line.get("time", 0))
        match line.get("event"):
            case None if "archive" in line:
                found[line["archive"], line.get("id")] = when
            case "seen":
                for name, borg_id in line["archives"]:
                    if (name, None) in found:
                        found[name, borg_id] = found.pop((name, None))
            case "command":
                for name, borg_id in line["removed"]:
                    found.pop((name, borg_id if (name, borg_id) in found else None), None)
                for name, borg_id in line["made"]:
                    found[name, borg_id] = when
            case "acknowledged":
                for name, borg_id in line["archives"]:
                    found.pop((name, borg_id), None)
    return found


def vanished(state: Path, client: str, archives: Archives) -> list[dict[str, Any]]:
    """What the ledger knows and the list lacks, neither removed by us nor acknowledged.

    Each is {"name", "id" (None if not known), "time" (of its record, ISO 8601 in UTC), "replaced"
    (another archive has its name)}. Reads only.
    """
    there = {str(item["name"]): item["id"] for item in archives}
    return [
        {
            "name": name,
            "id": borg_id,
            "time": datetime.fromtimestamp(when, UTC).isoformat(),
            "replaced": name in there,
        }
        for (name, borg_id), when in watched(lines(state, client)).items()
        if name not in there or borg_id not in (None, there[name])
    ]


def see(state: Path, client: str, archives: Archives) -> None:
    """Record the ids of archives that were recorded without, so that none can be replaced.

    To be called before a client can reach the repository. Raises ConfigError.
    """
    there = {str(item["name"]): item["id"] for item in archives}
    unknown = [name for name, borg_id in watched(lines(state, client)) if borg_id is None]
    if pairs := [[name, there[name]] for name in unknown if name in there]:
        _add(state, client, {"event": "seen", "archives": pairs})


def record_command(
    state: Path, client: str, words: Sequence[str], before: Archives, after: Archives
) -> None:
    """Record what a command of ours did to the list: that has not vanished. Raises ConfigError.

    What it made or renamed is watched from now on, but for names that count as no backup.
    """
    old = {(item["name"], item["id"]): None for item in before}
    new = {(item["name"], item["id"]): None for item in after}
    removed = [list(key) for key in old if key not in new]
    made = [list(key) for key in new if key not in old and is_verified(key[0])]
    if removed or made:
        line = {"event": "command", "command": list(words), "removed": removed, "made": made}
        _add(state, client, line)


def acknowledge(state: Path, client: str, lost: Archives) -> None:
    """Somebody has looked at these: they are not watched any more. Raises ConfigError."""
    if lost:
        pairs = [[item["name"], item["id"]] for item in lost]
        _add(state, client, {"event": "acknowledged", "archives": pairs})


def require_none_vanished(state: Path, client: str, archives: Archives, what: str) -> None:
    """Raises ArchivesVanished; `what` says what that means for the caller."""
    if lost := vanished(state, client, archives):
        names = ", ".join(str(item["name"]) for item in lost[:SHOWN_NAMES])
        rest = len(lost) - SHOWN_NAMES
        raise ArchivesVanished(
            f"{what}, but {len(lost)} verified archive(s) of {client} have vanished: {names}"
            + (f" and {rest} more" if rest > 0 else "")
        )


def conclude(state: Path, result: Result, archives: Archives) -> None:
    """The end of a backup: record its archive, and tell what has vanished.

    `archives` is a listing made in this run, with our lock held. Where the client cannot reach the
    repository, one of before the new archive does. Where it can, it must be made after its session
    and the renaming: so what that session deleted is noticed, and the final id is recorded.
    Raises ConfigError, and ArchivesVanished when all is recorded.
    """
    name, client = str(result.data["archive"]), result.client
    record(state, result, next((item["id"] for item in archives if item["name"] == name), None))
    listed = [{"name": name, "id": None}, *archives]
    require_none_vanished(state, client, listed, f"archive {name} is verified")


def _add(state: Path, client: str, line: Mapping[str, Any]) -> None:
    text = json.dumps({"time": int(time.time()), **line}) + "\n"
    try:
        with path_of(state, client).open("ab+") as file:
            if file.tell():  # a line that was cut must not spoil this one
                file.seek(-1, os.SEEK_END)
                text = text if file.read(1) == b"\n" else "\n" + text
            file.write(text.encode())
    except OSError as error:
        raise ConfigError(f"cannot write the ledger of {client}: {error.strerror}") from None
