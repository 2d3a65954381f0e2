"""A backup: open the client, create, verify, and only then give the archive its name."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from borgpull import events
from borgpull.borg import messages, repository
from borgpull.borg.command import Borg, exclude_args
from borgpull.borg.create import Created, Order
from borgpull.borg.spares import Spares
from borgpull.errors import (
    ArchiveExists,
    BorgpullError,
    ConnectionLost,
    LostData,
    Unreadable,
    VerificationFailed,
)
from borgpull.events import Emit
from borgpull.methods import METHODS, Source
from borgpull.methods.base import Verdict
from borgpull.model import JobSpec, Result
from borgpull.ops import ledger
from borgpull.ops.workspace import locked_borg, private_folder

SHOWN_PATHS = 20


def run(job: JobSpec, emit: Emit) -> Result:
    """Back a client up. Raises every layer's errors; a Result is a verified archive.

    So is the one that ArchivesVanished names: it ends the run as long as others are missing.
    """
    started = time.monotonic()
    with private_folder() as folder, _borg(job, emit) as plain, Spares() as spares:
        borg = replace(plain, spares=spares)
        _make_repository(job, borg, emit)
        # While the connection is made, as both take a while.
        with ThreadPoolExecutor(1) as pool:
            listing = pool.submit(repository.archives, borg)
            with METHODS[job.verb](job, borg, folder, emit) as source:
                found = listing.result()
                name = _new_name(job, found)
                if job.dry_run:
                    return _dry_run(job, source, name, emit)
                ledger.see(Path(job.places.state), job.client, found)
                data = _save(job, source, name, emit, fresh=not found)
        # Once the client is out: what it has done to the list to the very end is noticed.
        listed = source.archives()
        known = [item["name"] for item in found]
        if listed is not None:
            _require_named(data, known, listed)
        data["paths"] = list(job.paths)
        data["seconds"] = round(time.monotonic() - started, 3)
        result = Result(verb=job.verb, client=job.client, data=data)
        ledger.conclude(Path(job.places.state), result, found if listed is None else listed)
        # Not while archives are missing: a client may have made good ones look like these.
        _sweep_unverified(borg, known, emit)
    return result


def _require_named(
    data: Mapping[str, Any], known: Sequence[str], listed: Sequence[Mapping[str, Any]]
) -> None:
    """Has a client that was to rename its archive done so? Raises VerificationFailed."""
    names = {item["name"] for item in listed}
    if data["archive"] in known or data["archive"] not in names:
        raise repository.not_there(data["archive"])


def _borg(job: JobSpec, emit: Emit) -> AbstractContextManager[Borg]:
    return locked_borg(job, emit, may_init=job.init and not job.dry_run)


def default_archive_name(client: str) -> str:
    return f"{client}-{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"


def _make_repository(job: JobSpec, borg: Borg, emit: Emit) -> None:
    """The repository is there, or made. Raises RepositoryMissing, borg's errors."""
    if job.init and not job.dry_run and not repository.exists(borg.repository):
        events.phase(emit, "init", f"making the repository of {job.client} ({job.encryption})")
        repository.init(borg, job.encryption)
        events.note(emit, repository.key_reminder(job.client, job.encryption))
    repository.require(borg.repository, job.client)


def _new_name(job: JobSpec, found: Sequence[dict[str, Any]]) -> str:
    """The new archive's name. Raises ArchiveExists."""
    name = job.archive or default_archive_name(job.client)
    if name in [item["name"] for item in found]:
        raise ArchiveExists(f"{job.client} already has an archive {name}")
    return name


def _dry_run(job: JobSpec, source: Source, name: str, emit: Emit) -> Result:
    events.phase(emit, "create", f"dry run: nothing is written for {job.client}")
    args = tuple(exclude_args(job.exclude))
    done = source.create(Order(archive=name, args=args, dry_run=True))
    data = {"dry_run": True, "items": done.statuses["-"], "left_out": list(source.left_out)}
    return Result(verb=job.verb, client=job.client, data=data)


def _save(job: JobSpec, source: Source, name: str, emit: Emit, *, fresh: bool) -> dict[str, Any]:
    """Create under a temporary name, verify, rename; what the result says of it."""
    mark = f"{repository.UNVERIFIED}{datetime.now(UTC):%Y%m%dT%H%M%SZ}"
    args = ("--compression", job.compression, *exclude_args(job.exclude))
    events.phase(emit, "create", f"saving {', '.join(job.paths)} of {job.client}")
    order = Order(
        archive=name + mark,
        final=name,
        args=args,
        fresh=fresh,
        total_files=_files_last_time(job),
    )
    done = source.create(order)
    allowed = judge_warnings(done, job.allow_unreadable, job.paths)
    events.phase(emit, "verify", "comparing the archive with the client")
    verdict = source.verify(done)
    judge_verdict(verdict)
    if not source.alive():
        raise ConnectionLost(f"the connection to {job.client} broke during the run")
    final = done.name.removesuffix(mark)
    source.rename(done.name, final)
    source.accept()
    losses = source.losses()
    tell_findings(verdict, allowed, source, losses, emit)
    return _report(final, done, verdict, allowed, source, losses)


def _files_last_time(job: JobSpec) -> int | None:
    """Regular files in the last archive of the same paths, for the progress."""
    last = ledger.entries(Path(job.places.state), job.client)[-1:]
    return (
        last[0].get("items", {}).get("-")
        if last and last[0].get("paths") == list(job.paths)
        else None
    )


def judge_warnings(
    done: Created, allow_unreadable: Sequence[str], roots: Sequence[str]
) -> list[str]:
    """Fail the run for warnings that mean lost data; returns the paths whose loss was allowed.

    Raises ConnectionLost, Unreadable, LostData.
    """
    lost, denied, allowed = [], [], []
    for found in done.warnings:
        path = "/" + found.path.strip("/")
        if found.kind == messages.CHANGED:
            continue  # in the archive; the verification looks at its size
        if found.kind == messages.VANISHED and path not in roots:
            continue  # deleted on the client between the listing and the reading
        if found.errno in messages.DEAD_LINK:
            lost.append(f"{path} ({found.text})")
        elif any(
            path == item or path.startswith(item.rstrip("/") + "/") for item in allow_unreadable
        ):
            allowed.append(path)
        elif found.kind == messages.PERMISSION:
            denied.append(path)
        else:
            lost.append(f"{path} ({found.text})")
    if lost:
        raise LostData(f"{len(lost)} not saved: {_some(lost)}")
    if denied:
        raise Unreadable(f"{len(denied)} may not be read: {_some(denied)}")
    known_codes = done.returncode in (0, 1) or 100 <= done.returncode <= 107
    if not known_codes or (done.returncode != 0 and not done.warnings):
        raise LostData(f"borg warned (exit code {done.returncode}) and did not say of what")
    return allowed


def judge_verdict(verdict: Verdict) -> None:
    """Raises VerificationFailed where files were cut short."""
    if verdict.cut:
        paths = ["/" + path for path in verdict.cut]
        raise VerificationFailed(f"{len(paths)} shorter in the archive: {_some(paths)}")


def _some(paths: Sequence[str]) -> str:
    rest = len(paths) - SHOWN_PATHS
    return ", ".join(paths[:SHOWN_PATHS]) + (f" and {rest} more" if rest > 0 else "")


def _sweep_unverified(borg: Borg, known: Sequence[str], emit: Emit) -> None:
    """Delete what earlier failed runs left, now that there is a verified archive.

    A failure here is only told: the archive of this run is good.
    """
    old = [name for name in known if repository.UNVERIFIED in name]
    if not old:
        return
    events.note(emit, f"deleting {len(old)} unverified archive(s) of earlier runs")
    try:
        for name in old:
            borg.run("delete", f"::{name}")
    except BorgpullError as error:
        events.warning(emit, f"unverified archives could not be deleted: {error.message}")


def tell_findings(
    verdict: Verdict,
    allowed: Sequence[str],
    source: Source,
    losses: dict[str, int | None],
    emit: Emit,
) -> None:
    for path in verdict.changed:
        events.warning(emit, "changed while it was saved", path="/" + path)
    for path in allowed:
        events.warning(emit, "not saved, as allowed", path=path)
    for item in source.left_out:
        events.note(emit, f"left out: {item['path']} ({item['fstype']})")
    for name, number in losses.items():
        if number:
            events.warning(emit, f"not carried: {name.replace('_', ' ')} ({number})")
    if unknown := [name.replace("_", " ") for name, number in losses.items() if number is None]:
        events.note(emit, f"not counted on the client, and not carried: {', '.join(unknown)}")


def _report(
    name: str,
    done: Created,
    verdict: Verdict,
    allowed: Sequence[str],
    source: Source,
    losses: dict[str, int | None],
) -> dict[str, Any]:
    stats = done.stats.get("archive", {}).get("stats", {})
    return {
        "archive": name,
        "archive_id": done.stats.get("archive", {}).get("id"),
        "items": verdict.counts,
        "bytes": verdict.size,
        "files_read": done.read_files(),
        "read_paths": ["/" + path for path in done.read],
        "files_unchanged": done.unchanged_files(),
        "new_bytes": stats.get("deduplicated_size", 0),
        "changed": ["/" + path for path in verdict.changed],
        "allowed_unreadable": list(allowed),
        "left_out": list(source.left_out),
        "losses": losses,
    }
