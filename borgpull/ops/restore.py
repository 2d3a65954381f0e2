"""A restore: look at the archive and the target, say what will be, extract, and look again."""

from __future__ import annotations

import errno
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from borgpull import events
from borgpull.borg import extract, items, repository
from borgpull.borg.command import Borg
from borgpull.borg.extract import Extracted
from borgpull.borg.items import Item
from borgpull.errors import ArchiveMissing, DiskFull, NotRestored, TargetFull, TargetNotUsable
from borgpull.events import Emit
from borgpull.model import Failure, JobSpec, Result
from borgpull.ops.workspace import private_folder, reading_borg
from borgpull.restores import WAYS, Site, survey
from borgpull.restores.survey import SHOWN_PATHS, Ground

FULL = {errno.ENOSPC, errno.EDQUOT}


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What a restore is going to do."""

    archive: str
    items: list[Item]
    skipped: set[str]  # paths that are right as they are
    overwritten: list[str]  # paths
    cannot: dict[str, int]
    need_bytes: int
    need_inodes: int

    def data(self) -> dict[str, Any]:
        regular = [item for item in self.items if item.regular and item.links in ("", item.path)]
        return {
            "archive": self.archive,
            "items": len(self.items),
            "bytes": sum(item.size for item in regular),
            "skipped": len(self.skipped),
            "overwritten": len(self.overwritten),
            "overwritten_paths": [f"/{path}" for path in self.overwritten[:SHOWN_PATHS]],
            "cannot": self.cannot,
        }


def run(job: JobSpec, emit: Emit) -> Result:
    """Restore. Raises every layer's errors; what was not restored is in the result (NotRestored).

    Raises ArchiveMissing, NotInArchive, TargetNotUsable, TargetFull before anything is written.
    """
    started = time.monotonic()
    with private_folder() as folder, reading_borg(job, emit) as borg:
        archive = archive_of(borg, job.archive)
        wanted = items.chosen(borg, archive, job.paths, job.strip)
        with WAYS[job.how](job, borg, folder, emit) as site:
            plan = _plan(job, archive, wanted, survey.look(site, wanted))
            _tell(plan, site, emit)
            data = {**plan.data(), "how": job.how, "to": site.name}
            if job.dry_run:
                return Result(verb=job.verb, client=job.client, data={"dry_run": True, **data})
            done = _extract(job, plan, site, emit)
            events.phase(emit, "verify", f"comparing {site.name} with the archive")
            ground = survey.look(site, wanted)
    data["seconds"] = round(time.monotonic() - started, 3)
    return _judge(job, plan, done, ground, data)


def archive_of(borg: Borg, name: str | None) -> str:
    """The archive of a name, or the newest verified one. Raises ArchiveMissing."""
    if name in (None, "latest"):
        return repository.latest(borg)
    if name not in [item["name"] for item in repository.archives(borg)]:
        raise ArchiveMissing(f"{borg.client} has no archive {name}")
    return str(name)


def _plan(job: JobSpec, archive: str, wanted: list[Item], ground: Ground) -> Plan:
    """Raises TargetNotUsable, TargetFull."""
    skipped = survey.right(wanted, ground) if job.overwrite == "changed" else set()
    going = [item for item in wanted if item.path not in skipped]
    # The folder itself is there in any case.
    there = [item for item in going if item.place in ground.found and item.place != "."]
    freed = sum(ground.found[item.place].size for item in there if item.regular)
    # A folder is kept, and gets the archive's attributes: too much for "never".
    old = [item for item in there if item.mode[0] != "d" or job.overwrite == "never"]
    once = [item for item in going if item.links in ("", item.path)]
    plan = Plan(
        archive=archive,
        items=wanted,
        skipped=skipped,
        overwritten=[item.path for item in old],
        cannot=survey.cannot(going, ground, numeric=job.numeric_ids),
        need_bytes=sum(item.size for item in once if item.regular) - freed,
        need_inodes=len(once) - len(there),
    )
    _require_usable(job, plan, ground)
    _require_room(job, plan, ground)
    return plan


def _require_usable(job: JobSpec, plan: Plan, ground: Ground) -> None:
    if ground.state == "file" or not ground.writable:
        what = "is no folder" if ground.state == "file" else "cannot be written"
        raise TargetNotUsable(
            f"{job.into} {what} ({ground.user or ground.uid})", hint="name another folder"
        )
    if job.overwrite != "never":
        return
    if plan.overwritten:
        raise TargetNotUsable(
            f"{len(plan.overwritten)} would be overwritten in {job.into}: "
            + ", ".join(plan.data()["overwritten_paths"])
        )
    if job.into != "/" and not ground.empty:
        raise TargetNotUsable(f"{job.into} is not empty")


def _require_room(job: JobSpec, plan: Plan, ground: Ground) -> None:
    if plan.need_bytes > ground.free_bytes:
        raise TargetFull(
            f"{job.into} has {ground.free_bytes} bytes free, {plan.need_bytes} are needed"
        )
    if ground.free_inodes is not None and plan.need_inodes > ground.free_inodes:
        raise TargetFull(
            f"{job.into} has {ground.free_inodes} inodes free, {plan.need_inodes} are needed"
        )


def _tell(plan: Plan, site: Site, emit: Emit) -> None:
    for kind, number in plan.cannot.items():
        if number:
            events.warning(emit, f"cannot be restored by this user: {kind} ({number})")
    if plan.overwritten:
        some = ", ".join(plan.data()["overwritten_paths"])
        events.note(emit, f"{len(plan.overwritten)} will be overwritten in {site.name}: {some}")


def _extract(job: JobSpec, plan: Plan, site: Site, emit: Emit) -> Extracted:
    """Raises TargetFull, ConnectionLost, borg's errors."""
    total = len(plan.items) - len(plan.skipped)
    events.phase(emit, "extract", f"restoring {total} items of {plan.archive} to {site.name}")
    survey.look(site, (), "make")
    words = [*(["--numeric-ids"] if job.numeric_ids else [])]
    words += ["--strip-components", str(job.strip)] if job.strip else []
    paths = [f"pp:{path.strip('/')}" for path in job.paths if path.strip("/")]
    patterns = "".join(f"- pf:{path}\n" for path in sorted(plan.skipped)).encode()
    try:
        with site.extract([*words, f"::{plan.archive}", "--", *paths], patterns) as child:
            done = extract.watch(child, job.client, total, alive=site.alive, emit=emit)
    except DiskFull:  # borg's word for any disk
        raise TargetFull(f"{site.name} is full") from None
    if any(found.errno in FULL for found in done.warnings):
        raise TargetFull(f"{site.name} is full")
    return done


def _judge(
    job: JobSpec, plan: Plan, done: Extracted, ground: Ground, data: dict[str, Any]
) -> Result:
    """The result: success only where borg warned of nothing and all is as in the archive."""
    found = survey.compare(plan.items, ground, numeric=job.numeric_ids)
    warned = [f"/{item.path}: {item.text}" if item.path else item.text for item in done.warnings]
    data["not_restored"] = dict(found.kinds)
    data["not_restored_paths"] = found.paths
    data["warnings"] = warned[:SHOWN_PATHS]
    if not found.kinds and not warned and done.returncode == 0:
        return Result(verb=job.verb, client=job.client, data=data)
    parts = [str(found)] if found.kinds else []
    parts += [f"{len(warned)} warnings of borg: {_some(warned)}"] if warned else []
    parts += [_some(found.paths)] if found.paths else []
    parts += [f"borg ended with {done.returncode}"] if done.returncode and not warned else []
    error = NotRestored("not restored: " + "; ".join(parts))
    failure = Failure(
        exit_code=error.exit_code,
        error=type(error).__name__,
        message=error.message,
        hint=error.hint,
    )
    return Result(verb=job.verb, client=job.client, ok=False, failure=failure, data=data)


def _some(texts: Sequence[str]) -> str:
    return ", ".join(texts[:SHOWN_PATHS]) + (" …" if len(texts) > SHOWN_PATHS else "")
