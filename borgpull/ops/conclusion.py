"""The end of a backup: what comes once the new archive has its name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from borgpull import events, jobs
from borgpull.borg import repository
from borgpull.borg.command import Borg
from borgpull.errors import BorgpullError
from borgpull.events import Emit
from borgpull.methods import Source, clock
from borgpull.ops import standing
from borgpull.outputs.backups import Manifest, Saved
from borgpull.ssh import machine
from borgpull.state import lastgood, ledger
from borgpull.state.ledger import Archives


def record(
    job: jobs.Backup,
    row: Mapping[str, Any] | None,
    found: Archives,
    saved: Saved,
    begun: datetime,
) -> dict[str, Any]:
    """Record the archive as soon as it has its name, so that its loss is noticed. Returns its row.

    `row` is what borg has read of it since.

    Raises ArchiveNotMade if the client has not renamed it, or has given it a time before or after
    the run; DiskFull, ConfigError.
    """
    name = saved["archive"]
    if row is None or name in [item["name"] for item in found]:
        raise repository.not_there(name)
    clock.require_within(row, begun, datetime.now(UTC))
    ledger.record(Path(job.places.state), job.client, saved, row)
    return {key: row[key] for key in ("name", "id", "time")}


def afterwards(
    job: jobs.Backup, source: Source, folder: Path, saved: Saved, emit: Emit
) -> Manifest | None:
    """Keep what makes the next run better, count losses, and make the manifest, if that works.

    A failure here is only a warning.
    """
    made: list[Manifest | None] = [None]

    def manifest() -> None:
        made[0] = source.manifest()

    def count() -> None:
        counted = source.losses()
        seen = {kind: number for kind, number in saved["losses"].items() if not counted.get(kind)}
        saved["losses"] = {**counted, **seen}

    steps: dict[str, Callable[[], None]] = {
        "what this run has learnt is not kept": source.accept,
        "the machine is not remembered": lambda: machine.remember(job, folder),
        "what the method cannot carry is not counted": count,
        "there is no manifest, so that no drill can prove this archive": manifest,
    }
    for text, step in steps.items():
        try:
            step()
        except (BorgpullError, OSError) as error:
            events.warning(emit, f"{text}: {error}")
    tell_losses(saved["losses"], emit)
    return made[0]


def judge(job: jobs.Backup, data: Saved, listed: Archives, emit: Emit) -> None:
    """Raises ArchiveNotMade, and ArchivesVanished if others are missing."""
    name = data["archive"]
    if name not in [item["name"] for item in listed]:
        raise repository.not_there(name)
    judged = standing.judge(job, listed)
    standing.tell_strangers(judged, emit)
    judged.require_none_vanished(f"archive {name} is verified")


def sweep_unverified(borg: Borg, found: Archives, emit: Emit) -> None:
    """Delete the archives of earlier failed runs, now that there is a verified one.

    A failure here is only a warning: the archive of this run is good.
    """
    old = {item["name"]: item["id"] for item in found if repository.UNVERIFIED in item["name"]}
    if not old:
        return
    events.note(emit, f"deleting {len(old)} unverified archive(s) of earlier runs")
    try:
        listed = repository.archives(borg)
        # Not one that a client renamed meanwhile, or one whose chunks are another archive's, too.
        kept = repository.with_two_names(listed)
        for item in listed:
            if old.get(item["name"]) == item["id"] and item["id"] not in kept:
                repository.delete(borg, item["name"])
    except BorgpullError as error:
        events.warning(emit, f"unverified archives could not be deleted: {error.message}")


def ended_well(job: jobs.Backup, emit: Emit) -> None:
    """Record the time for `status`. A failure here is only a warning: the archive is good."""
    try:
        lastgood.record(Path(job.places.state), job.client, "backup")
    except BorgpullError as error:
        events.warning(emit, f"the time of this backup is not recorded: {error.message}")


def tell_losses(losses: Mapping[str, int | None], emit: Emit) -> None:
    for name, number in losses.items():
        if number:
            events.warning(emit, f"not carried: {name.replace('_', ' ')} ({number})")
    if unknown := [name.replace("_", " ") for name, number in losses.items() if number is None]:
        events.note(emit, f"not counted on the client, and not carried: {', '.join(unknown)}")
