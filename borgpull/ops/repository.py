"""Verbs on a client's repository: init, list, info, and stock borg."""

from __future__ import annotations

from typing import Any

from borgpull import events
from borgpull.borg import repository
from borgpull.errors import ArchiveMissing
from borgpull.events import Emit
from borgpull.model import JobSpec, Result
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
    """The archives of a client, or the items of one. Raises RepositoryMissing, ArchiveMissing."""
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
        return Result(verb=job.verb, client=job.client, data={"archives": rows})
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
    names = [item["name"] for item in repository.archives(borg)]
    data["archives"] = {
        "verified": sum(map(repository.is_verified, names)),
        "unverified": sum(not repository.is_verified(name) for name in names),
        "latest": next((name for name in reversed(names) if repository.is_verified(name)), None),
    }
    return Result(verb=job.verb, client=job.client, data=data)


def borg(job: JobSpec, emit: Emit) -> Result:
    """Stock borg on our standard output and error; its exit code is in the data."""
    with locked_borg(job, emit) as stock:
        code = repository.stock(stock, job.borg_args)
    return Result(verb=job.verb, client=job.client, data={"returncode": code})
