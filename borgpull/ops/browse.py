"""Looking around in an archive: one folder of it, or everything for who shows it as a tree."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from borgpull import events
from borgpull.borg import items
from borgpull.borg.items import Item
from borgpull.borg.tree import Entry
from borgpull.errors import NotInArchive
from borgpull.events import Emit, Event
from borgpull.model import JobSpec, Result
from borgpull.ops.restore import archive_of
from borgpull.ops.workspace import reading_borg


def run(job: JobSpec, emit: Emit) -> Result:
    """What is in the folder `job.paths` names, folders with the size of all below them; a file is
    listed itself. Without paths: every item of the archive, as it is there.

    Raises RepositoryMissing, RepositoryLocked, ArchiveMissing, NotInArchive and borg's errors.
    """
    with reading_borg(job, emit) as borg, items.reader(borg) as exact:
        archive = archive_of(borg, job.archive)
        events.phase(emit, "read", f"reading {archive}")
        rows = [_row(item) for item in items.chosen(exact, archive, (), 0)]
    data: dict[str, Any] = {"archive": archive}
    if job.paths:
        (data["path"],) = job.paths
        entry = _entry(rows, archive, data["path"])
        rows = [found.row() for found in (entry.sorted() if entry.folder else [entry])]
        data["bytes"] = entry.size
    for row in rows:
        emit(Event("item", row))
    return Result(verb=job.verb, client=job.client, data={**data, "items": len(rows)})


def _entry(rows: list[dict[str, Any]], archive: str, path: str) -> Entry:
    """Raises NotInArchive."""
    root = Entry()
    for row in rows:
        root.add(row)
    found = root.at(path)
    if found is None:
        raise NotInArchive(f"not in {archive}: {path}")
    return found


def _row(item: Item) -> dict[str, Any]:
    """As `Entry.row`, for one item."""
    return {
        "type": item.mode[0],
        "mode": item.mode,
        "user": item.user,
        "group": item.group,
        "uid": item.uid,
        "gid": item.gid,
        "path": item.path,
        "size": item.size,
        "mtime": _time(item.mtime_ns),
    }


def _time(mtime_ns: int) -> str | None:
    """None for a time that no calendar has: a client's borg may write any number."""
    try:
        return datetime.fromtimestamp(mtime_ns / 1e9, UTC).isoformat()
    except (OverflowError, ValueError, OSError):
        return None
