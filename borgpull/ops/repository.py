"""Verbs on a client's repository: init, list, info, and stock borg."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from borgpull import events, jobs, signals
from borgpull.borg import locks, repository, subcommand
from borgpull.borg.command import Borg
from borgpull.errors import BorgpullError, RepositoryLocked
from borgpull.events import Emit
from borgpull.ops import freeze, standing
from borgpull.ops.standing import NOT_KNOWN, STRANGER, UNVERIFIED, VERIFIED
from borgpull.ops.workspace import locked_borg, looking_borg, reading_borg
from borgpull.outputs.archives import Archive, ArchiveItems, ArchiveList, Counts, Initialized
from borgpull.results import Result
from borgpull.state import ledger


def init(job: jobs.Init, emit: Emit) -> Result:
    """Make the repository. Raises RepositoryExists, PassphraseMissing and borg's errors."""
    with locked_borg(job, emit, make=job.encryption) as borg:
        repository.init(borg, job.encryption)
        ledger.see(Path(job.places.state), job.client, [])
    reminder = repository.key_reminder(job.client, job.encryption)
    events.note(emit, reminder)
    data: Initialized = {
        "repository": str(borg.repository),
        "encryption": job.encryption,
        "reminder": reminder,
    }
    return Result(verb=job.verb, client=job.client, data=data)


def list_archives(job: jobs.List, emit: Emit) -> Result:
    """The archives of a client and what has vanished, or the items of one archive.

    Raises RepositoryMissing, ArchiveMissing.
    """
    with looking_borg(job) as borg:
        return _list(job, borg, emit)


def _list(job: jobs.List, borg: Borg, emit: Emit) -> Result:
    judged = standing.judge(job, repository.archives(borg))
    if job.archive is None:
        rows: list[Archive] = [
            {
                "name": row["name"],
                "time": row["time"],
                "id": row["id"],
                "standing": row["standing"],
                "verified": row["standing"] == VERIFIED,
            }
            for row in judged.rows
        ]
        standing.tell_strangers(judged, emit)
        data: ArchiveList = {"archives": rows, "vanished": list(judged.vanished)}
        return Result(verb=job.verb, client=job.client, data=data)
    chosen = judged.chosen(job.archive)
    standing.tell(chosen, emit)
    name = str(chosen["name"])
    for item in repository.items(borg, name):
        emit(events.Event("item", item))
    shown: ArchiveItems = {"archive": name}
    return Result(verb=job.verb, client=job.client, data=shown)


def info(job: jobs.Look, emit: Emit) -> Result:
    """borg info of the repository, with our own count of archives by their standing.

    borg's numbers come from its cache, which only one process at a time may use. `cache` is null
    while a run uses the repository.
    """
    with looking_borg(job) as looking:
        data = _facts(job, looking, emit)
        judged = standing.judge(job, repository.archives(looking))
    latest = judged.latest()
    counts: Counts = {
        "verified": len(judged.of(VERIFIED)),
        "unverified": len(judged.of(UNVERIFIED)),
        "strangers": len(judged.of(STRANGER)),
        "not_known": len(judged.of(NOT_KNOWN)),
        "latest": latest["name"] if latest else None,
        "vanished": len(judged.vanished),
    }
    standing.tell_strangers(judged, emit)
    return Result(verb=job.verb, client=job.client, data={**data, "archives": counts})


def _facts(job: jobs.Look, looking: Borg, emit: Emit) -> dict[str, Any]:
    try:
        with reading_borg(job, emit, lock_wait=0) as reading:
            with_cache = reading._replace(own=None)
            if os.access(reading.repository, os.W_OK):
                locks.break_stale_locks(with_cache, emit)
            data = with_cache.json("info", "--bypass-lock")
    except RepositoryLocked:
        data = looking.json("list", "--bypass-lock", "--last", "1")
        data["cache"] = None
    about = data["repository"]
    about["last_modified"] = repository.with_offset(about.get("last_modified"))
    return data


def borg(job: jobs.Stock, emit: Emit) -> Result:
    """Stock borg on our standard output and error; its exit code is in the data.

    All of these are raised before anything runs. ArchivesVanished stops a command that could make
    unrecoverable what a client has deleted. StrangeArchives stops a command that could remove
    archives while there are strangers. GuardTripped stops both. Raises as `list_archives` if the
    list cannot be read.
    """
    with locked_borg(job, emit) as stock:
        _require_harmless(job, stock, emit)
        with _recorded(job, stock, emit):
            code = repository.stock(stock, job.args)
    return Result(verb=job.verb, client=job.client, data={"returncode": code})


def _require_harmless(job: jobs.Stock, stock: Borg, emit: Emit) -> None:
    words = job.args
    if not (subcommand.may_free(words) or subcommand.may_remove(words)):
        return
    freeze.require_not_frozen(job)
    if "check" in subcommand.readings(words):  # the list itself may need the repair
        found = _listing(stock, emit) or []
    else:
        found = repository.archives(stock)
    judged = standing.judge(job, found)
    if subcommand.may_free(words):
        judged.require_none_vanished("nothing is freed")
    if subcommand.may_remove(words):
        counting = subcommand.may_prune(words)
        judged.require_no_strangers("nothing is removed or freed", unverified=counting)


@contextmanager
def _recorded(job: jobs.Stock, stock: Borg, emit: Emit) -> Iterator[None]:
    """Record what the command inside does to the list of archives, however it ends.

    If there is no list (a damaged repository, say), the command runs all the same.
    """
    if not subcommand.may_change(job.args):
        yield
        return
    state = Path(job.places.state)
    before = _listing(stock, emit)
    if before is not None:  # an empty list would make strangers of all archives
        ledger.see(state, job.client, before)

    def record() -> None:
        after = _listing(stock, emit)
        if before is not None and after is not None:
            words, makes = job.args, subcommand.makes(job.args)
            ledger.record_command(state, job.client, words, before, after, makes=makes)

    try:
        yield
    finally:
        signals.to_its_end(record)


def _listing(stock: Borg, emit: Emit) -> list[dict[str, Any]] | None:
    if not repository.exists(stock.repository):  # it was deleted
        return []
    try:
        return repository.archives(stock)
    except BorgpullError as error:
        events.warning(emit, f"the ledger does not learn what this changes: {error.message}")
        return None
