"""Verbs on a client's repository: init, list, info, and stock borg."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from borgpull import events, signals
from borgpull.borg import repository, subcommand
from borgpull.borg.command import Borg
from borgpull.errors import ArchiveMissing, BorgpullError
from borgpull.events import Emit
from borgpull.model import JobSpec, Result
from borgpull.ops import ledger
from borgpull.ops.workspace import locked_borg, open_borg


def init(job: JobSpec, emit: Emit) -> Result:
    """Make the repository. Raises RepositoryExists, PassphraseMissing and borg's errors."""
    with locked_borg(job, emit, may_init=True) as borg:
        repository.init(borg, job.encryption)
    reminder = repository.key_reminder(job.client, job.encryption)
    events.note(emit, reminder)
    data = {"repository": str(borg.repository), "encryption": job.encryption, "reminder": reminder}
    return Result(verb=job.verb, client=job.client, data=data)


def list_archives(job: JobSpec, emit: Emit) -> Result:
    """The archives of a client and what has vanished, or the items of one archive.

    Raises RepositoryMissing, ArchiveMissing.
    """
    borg = open_borg(job)
    repository.require(borg.repository, job.client)
    found = repository.archives(borg)
    if job.archive is None:
        rows: list[dict[str, Any]] = [
            {
                "name": item["name"],
                "time": item["time"],
                "id": item["id"],
                "verified": repository.is_verified(item["name"]),
            }
            for item in found
        ]
        lost = ledger.vanished(Path(job.places.state), job.client, found)
        return Result(verb=job.verb, client=job.client, data={"archives": rows, "vanished": lost})
    name = repository.latest(borg) if job.archive == "latest" else job.archive
    if name not in [item["name"] for item in found]:
        raise ArchiveMissing(f"{job.client} has no archive {name}")
    for item in repository.items(borg, name):
        emit(events.Event("item", item))
    return Result(verb=job.verb, client=job.client, data={"archive": name})


def info(job: JobSpec, emit: Emit) -> Result:
    """borg info of the repository, with our own count of verified archives."""
    borg = open_borg(job)
    repository.require(borg.repository, job.client)
    data = borg.json("info", "--bypass-lock")
    found = repository.archives(borg)
    names = [item["name"] for item in found]
    data["archives"] = {
        "verified": sum(map(repository.is_verified, names)),
        "unverified": sum(not repository.is_verified(name) for name in names),
        "latest": next((name for name in reversed(names) if repository.is_verified(name)), None),
        "vanished": len(ledger.vanished(Path(job.places.state), job.client, found)),
    }
    return Result(verb=job.verb, client=job.client, data=data)


def borg(job: JobSpec, emit: Emit) -> Result:
    """Stock borg on our standard output and error; its exit code is in the data.

    Raises ArchivesVanished, before anything runs, for a command that could make unrecoverable what
    a client has deleted; and what `list_archives` raises where that cannot be known.
    """
    with locked_borg(job, emit) as stock:
        if subcommand.may_free(job.borg_args):
            _require_none_vanished(job, stock)
        with _recorded(job, stock, emit):
            code = repository.stock(stock, job.borg_args)
    return Result(verb=job.verb, client=job.client, data={"returncode": code})


def _require_none_vanished(job: JobSpec, stock: Borg) -> None:
    state = Path(job.places.state)
    if ledger.watched(ledger.lines(state, job.client)):
        what = "nothing is freed"
        ledger.require_none_vanished(state, job.client, repository.archives(stock), what)


@contextmanager
def _recorded(job: JobSpec, stock: Borg, emit: Emit) -> Iterator[None]:
    """Record what the command in it does to the list of archives, however it ends.

    Where there is no list (a damaged repository, say) the command runs all the same.
    """
    if not subcommand.may_change(job.borg_args):
        yield
        return
    state = Path(job.places.state)
    before = _listing(stock, emit)
    ledger.see(state, job.client, before or [])

    def record() -> None:
        after = _listing(stock, emit)
        if before is not None and after is not None:
            ledger.record_command(state, job.client, job.borg_args, before, after)

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
