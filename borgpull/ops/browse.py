"""Looking around in an archive: one folder of it, or all items, from which a tree is made."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from borgpull import events, jobs
from borgpull.borg import items, repository
from borgpull.events import Emit, Event
from borgpull.ops import standing
from borgpull.ops.workspace import looking_borg
from borgpull.results import Result
from borgpull.trees.tree import Entry, parts, row


def run(job: jobs.Browse, emit: Emit) -> Result:
    """List the folder `job.path`; its folders have the size of all below them. A file is listed
    itself. Without a path, every item of the archive is listed as it is.

    Raises RepositoryMissing, ArchiveMissing, NotInArchive and borg's errors.
    """
    with looking_borg(job) as borg, items.reader(borg) as exact:
        chosen = standing.judge(job, repository.archives(borg)).chosen(job.archive)
        standing.tell(chosen, emit)
        archive = str(chosen["name"])
        events.phase(emit, "read", f"reading {archive}")
        paths = (job.path,) if job.path else ()
        found = items.chosen(exact, archive, paths, 0)
    data: dict[str, Any] = {"archive": archive}
    rows: Iterable[dict[str, Any]] = (row(item, item.path) for item in found)
    if job.path:
        data["path"] = job.path
        entry = _entry(rows, job.path)
        rows = [below.row() for below in (entry.sorted() if entry.folder else [entry])]
        data["bytes"] = entry.size
    count = 0
    for each in rows:
        count += 1
        emit(Event("item", each))
    return Result(verb=job.verb, client=job.client, data={**data, "items": count})


def _entry(rows: Iterable[dict[str, Any]], path: str) -> Entry:
    """The entry of this path, with its direct children. `rows` are all at and below the path."""
    root = Entry()
    for each in rows:
        root.add(each, depth=len(parts(path)) + 1)
    found = root.at(path)
    assert found is not None
    return found
