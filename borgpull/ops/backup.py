"""A backup: open the client, create, verify, and only then give the archive its name."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from borgpull import events, jobs
from borgpull.borg import messages, repository
from borgpull.borg.command import Borg, exclude_args, timestamp
from borgpull.borg.create import Created, Order
from borgpull.borg.messages import FileWarning
from borgpull.borg.spares import Spares
from borgpull.errors import (
    ConnectionLost,
    LostData,
    Unreadable,
    VerificationFailed,
)
from borgpull.events import Emit
from borgpull.methods import METHODS, Source
from borgpull.methods.base import Verdict, lists_archives
from borgpull.ops import findings, named
from borgpull.ops.findings import some
from borgpull.ops.naming import new_name, unverified_mark
from borgpull.ops.workspace import locked_borg
from borgpull.outputs.backups import Backup, BackupDryRun, Saved
from borgpull.results import Failure, Result
from borgpull.state import ledger, manifests
from borgpull.trees.folders import lies_in

if TYPE_CHECKING:
    from borgpull.ops.earlylook import Early


def run(job: jobs.Backup, folder: Path, emit: Emit) -> Result:
    """Back a client up. Raises every layer's errors; a Result is a verified archive. It has failed,
    and the archive is verified, if the guard has tripped. `folder` is the job's private one.

    The archive that ArchivesVanished names is verified, too: others are missing then.
    """
    started, begun = time.monotonic(), datetime.now(UTC)
    with _borg(job, emit) as plain, Spares() as spares:
        borg = plain._replace(spares=spares)
        _make_repository(job, borg, emit)
        # The list is read while the connection is made: both take a while.
        with ThreadPoolExecutor(1) as pool:
            listing = None if lists_archives(job) else pool.submit(repository.archives, borg)
            found: list[dict[str, Any]] = []

            def ready(listed: list[dict[str, Any]] | None) -> None:
                if listing is not None:
                    listed = listing.result()
                found[:] = repository.archives(borg) if listed is None else listed
                ledger.see(Path(job.places.state), job.client, found)

            opening = METHODS[job.verb](job, borg, folder, emit, ready)
            state, opened = Path(job.places.state), timestamp()  # nothing is listed before
            with manifests.none_unfinished(state, job.client), opening as source:
                name = new_name(job, found)
                if job.dry_run:
                    return _dry_run(job, source, name, emit)
                saved, early = _save(job, borg, source, name, opened, emit, found)
                from borgpull.ops import conclusion, guarding

                row = source.row(borg, saved["archive"])
                recorded = conclusion.record(job, row, found, saved, begun)
                source.book(recorded["name"], recorded["id"])
                manifest = conclusion.afterwards(job, source, folder, saved, emit)
        # Read the list once the client is disconnected, and see all that it has done to it.
        listed = repository.archives(borg) if source.client_could_write else [*found, recorded]
        conclusion.judge(job, saved, listed, emit)
        guard = guarding.watch(job, recorded, saved, emit, source.reads, early)
        seconds = round(time.monotonic() - started, 3)
        data: Backup = {**saved, "manifest": manifest, "seconds": seconds, "guard": guard}
        if guard["findings"]:
            failure = Failure.of(guarding.tripped(job.client, saved["archive"], guard))
            return Result(verb=job.verb, client=job.client, ok=False, failure=failure, data=data)
        # `judge` raises if archives are missing. Then none is deleted here: a client may have given
        # good archives such names.
        if not guard["frozen"]:
            conclusion.sweep_unverified(borg, found, emit)
        conclusion.ended_well(job, emit)
    return Result(verb=job.verb, client=job.client, data=data)


def _borg(job: jobs.Backup, emit: Emit) -> AbstractContextManager[Borg]:
    make = job.encryption if job.init and not job.dry_run else None
    return locked_borg(job, emit, make=make)


def _load_the_end() -> None:
    """What only the end of a backup needs."""
    from borgpull.ops import conclusion, guarding  # noqa: F401


def _make_repository(job: jobs.Backup, borg: Borg, emit: Emit) -> None:
    """Make the repository if the job may. Raises RepositoryMissing, borg's errors."""
    if job.init and not job.dry_run and not repository.exists(borg.repository):
        events.phase(emit, "init", f"making the repository of {job.client} ({job.encryption})")
        repository.init(borg, job.encryption)
        events.note(emit, repository.key_reminder(job.client, job.encryption))
    repository.require(borg.repository, job.client)


def _dry_run(job: jobs.Backup, source: Source, name: str, emit: Emit) -> Result:
    events.phase(emit, "create", f"dry run: nothing is written for {job.client}")
    args = tuple(exclude_args(job.exclude))
    done = source.create(Order(archive=name, args=args, dry_run=True))
    items, left_out = done.statuses["-"], list(source.left_out)
    data: BackupDryRun = {"dry_run": True, "items": items, "left_out": left_out}
    if source.tagged is not None:
        data["tagged"] = source.tagged
    return Result(verb=job.verb, client=job.client, data=data)


def _save(
    job: jobs.Backup,
    borg: Borg,
    source: Source,
    name: str,
    opened: str,
    emit: Emit,
    found: Sequence[dict[str, Any]],
) -> tuple[Saved, Early | None]:
    """Create under a temporary name, verify, rename; returns the archive's part of the result, and
    what the guard sees meanwhile.
    """
    mark = unverified_mark(name, found)
    args = ("--compression", job.compression, *exclude_args(job.exclude))
    events.phase(emit, "create", f"saving {', '.join(job.paths)} of {job.client}")
    order = Order(
        archive=name + mark,
        time=opened,
        final=name,
        args=args,
        fresh=not found,
        total_files=_files_last_time(job),
        named=job.paths,
    )

    def ahead(number: int) -> None:
        threading.Thread(target=_load_the_end, daemon=True).start()
        borg.start_spares(number)

    done = source.create(order, ahead=ahead)
    _load_the_end()  # before the archive has its name: then nothing may keep it from the ledger
    from borgpull.ops import guarding

    allowed = judge_warnings(done, job.allow_unreadable, job.paths)
    vanished = judge_vanished(done, source)
    events.phase(emit, "verify", "comparing the archive with the client")
    verdict = source.verify(done)
    judge_verdict(verdict)
    early = guarding.begin(job, source.reads, done.read_files(), verdict.counts, len(allowed))
    vanished += ["/" + path for path in verdict.vanished]
    named.require(job, borg, done, source)
    if not source.alive():
        raise ConnectionLost(f"the connection to {job.client} broke during the run")
    final = done.name.removesuffix(mark)
    source.rename(verdict, final)
    findings.tell(verdict, allowed, vanished, source, emit)
    for item in _attributes(done):
        where = {"path": "/" + item.path.strip("/")} if item.path else {}
        events.warning(emit, f"not saved: {item.text}", **where)
    return _report(job, final, done, verdict, allowed, vanished, source), early


def _files_last_time(job: jobs.Backup) -> int | None:
    """The number of regular files in the last archive, if it has the same paths; for progress."""
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
        if found.kind == messages.ATTRIBUTE and found.errno not in messages.DEAD_LINK:
            continue  # the file is in the archive without it; this loss is reported
        if found.kind == messages.VANISHED and path not in roots:
            continue  # deleted on the client between the listing and the reading
        if found.errno in messages.DEAD_LINK:
            lost.append(f"{path} ({found.text})")
        elif any(lies_in(path, item) for item in allow_unreadable):
            allowed.append(path)
        elif found.kind == messages.PERMISSION:
            denied.append(path)
        else:
            lost.append(f"{path} ({found.text})")
    if lost or done.more_warnings:
        raise LostData(f"{len(lost) + done.more_warnings} not saved: {some(lost)}")
    if denied:
        raise Unreadable(f"{len(denied)} may not be read: {some(denied)}")
    known_codes = done.returncode in (0, 1) or 100 <= done.returncode <= 107
    if done.returncode != 0 and done.not_understood:
        said = some(done.not_understood)
        raise LostData(f"borg gave an unknown warning (exit code {done.returncode}): {said}")
    if not known_codes or (done.returncode != 0 and not done.warnings):
        raise LostData(f"borg warned (exit code {done.returncode}) and did not say of what")
    return allowed


def _attributes(done: Created) -> list[FileWarning]:
    """The extended attributes that borg could not read."""
    return [item for item in done.warnings if item.kind == messages.ATTRIBUTE]


def judge_vanished(done: Created, source: Source) -> list[str]:
    """The files that vanished on the client meanwhile. Raises LostData if some are there again.

    Each one is looked for once more: many programs replace a file by a new one of the same name.
    """
    paths = [item.path for item in done.warnings if item.kind == messages.VANISHED]
    back = source.there_again(paths) if paths else []
    if back:
        again = ["/" + path for path in back]
        raise LostData(
            f"{len(again)} were replaced or gone for a moment, and are not saved: {some(again)}",
            hint="run again; the archive keeps its .unverified name",
        )
    return ["/" + path.strip("/") for path in paths]


def judge_verdict(verdict: Verdict) -> None:
    """Raises VerificationFailed if files were cut short, LostData if others are missing."""
    if verdict.cut:
        paths = ["/" + path for path in verdict.cut]
        raise VerificationFailed(f"{len(paths)} shorter in the archive: {some(paths)}")
    if verdict.lost:
        raise LostData(
            f"{len(verdict.lost)} on the client, and not in the archive: {some(verdict.lost)}",
            hint="look at the files named above, or exclude them; pipe has no limits of SFTP; "
            "the archive keeps its .unverified name",
        )


def _report(
    job: jobs.Backup,
    name: str,
    done: Created,
    verdict: Verdict,
    allowed: Sequence[str],
    vanished: list[str],
    source: Source,
) -> Saved:
    stats = done.stats.get("archive", {}).get("stats", {})
    lost = {"times": verdict.times, "xattrs_and_acls": len(_attributes(done))}
    saved: Saved = {
        "archive": name,
        "archive_id": done.stats.get("archive", {}).get("id"),
        "items": verdict.counts,
        "bytes": verdict.size,
        "files_read": done.read_files(),
        "read_paths": ["/" + path for path in done.read],
        "files_unchanged": done.unchanged_files(),
        "new_bytes": stats.get("deduplicated_size", 0),
        "changed": ["/" + path for path in verdict.changed],
        "came": ["/" + path for path in verdict.came],
        "vanished": vanished,
        "listings": "checked" if verdict.listings else "not checked",
        "allowed_unreadable": list(allowed),
        "left_out": list(source.left_out),
        "losses": {name: number for name, number in lost.items() if number},
        "paths": list(job.paths),
    }
    if source.reader:
        saved["reader"] = source.reader
    if source.reread:
        differs = ["/" + path for path in source.reread["differs"]]
        saved["reread"] = {**source.reread, "differs": differs}
    if source.read_back is not None:
        found = source.read_back
        saved["read_back"] = {"chunks": found.chunks, "bytes": found.bytes, "new": found.new}
    if source.sent_bytes is not None:
        saved["sent_bytes"] = source.sent_bytes
    if source.tagged is not None:
        saved["tagged"] = source.tagged
    return saved
