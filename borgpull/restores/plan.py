"""What a restore is going to do, and whether the target is fit for it; nothing is written."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from borgpull.borg.items import Item
from borgpull.errors import NotRestored, TargetFull, TargetNotUsable
from borgpull.model import JobSpec
from borgpull.restores import differences, losses, survey
from borgpull.restores.base import Order, Site
from borgpull.restores.differences import SHOWN_PATHS
from borgpull.restores.survey import Found, Ground


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What a restore is going to do."""

    archive: str
    items: list[Item]
    going: list[Item]  # what borg is going to bring, in the archive's order
    skipped: set[str]  # paths that are right as they are
    left_out: set[str]  # paths that cannot get there by this way
    overwritten: list[str]  # paths
    before: dict[str, Found]  # what is there now, by place
    lost: dict[str, int]  # by the way that it goes, numbers by kind
    incapable: dict[str, int]  # by what this user may not do there
    need_bytes: int
    need_inodes: int

    @property
    def cannot(self) -> dict[str, int]:
        return {**self.incapable, **self.lost}

    def in_the_way(self) -> list[Item]:
        """Folders that are to be where something else is: a symlink, say."""
        there = [item for item in self.going if item.kind == "d" and item.place in self.before]
        return [item for item in there if not survey.is_folder(self.before[item.place])]

    def order(self, job: JobSpec) -> Order:
        excluded = sorted(
            self.skipped | {path for path in self.left_out if differences.exactly_named(path)}
        )
        return Order(
            archive=self.archive,
            paths=tuple(self._paths(job)),
            strip=job.strip,
            numeric=job.by_number,
            patterns="".join(f"- pf:{path}\n" for path in excluded).encode(),
        )

    def _paths(self, job: JobSpec) -> Iterator[str]:
        """Those below which something is going: of others borg warns that they never matched."""
        going = [item.path for item in self.going]
        for path in job.paths:
            name = path.strip("/")
            if name and any(item == name or item.startswith(f"{name}/") for item in going):
                yield name

    def data(self) -> dict[str, Any]:
        once = [item for item in self.items if item.regular and item.first_name]
        return {
            "archive": self.archive,
            "items": len(self.items),
            "bytes": sum(item.size for item in once),
            "skipped": len(self.skipped),
            "overwritten": len(self.overwritten),
            "overwritten_paths": [f"/{path}" for path in self.overwritten[:SHOWN_PATHS]],
            "cannot": self.cannot,
        }


def plan(job: JobSpec, site: Site, archive: str, wanted: list[Item]) -> Plan:
    """Look at the target. Raises NotRestored, TargetNotUsable, TargetFull, ConnectionLost."""
    if site.follows:
        _require_plain(wanted, job.strip)
    ground = survey.look(site, ())
    # A folder with nothing but lost+found counts as empty (survey.sh).
    if not ground.empty or any(item.place.startswith("lost+found") for item in wanted):
        ground = survey.look(site, wanted)
    skipped = differences.right(wanted, ground) if job.overwrite == "changed" else set()
    left_out = {item.path for item in wanted if losses.lost_whole(item, site.losses)}
    not_going = skipped | left_out
    going = [item for item in wanted if item.path not in not_going]
    # The folder itself is there in any case.
    there = [item for item in going if item.place in ground.found and item.place != "."]
    freed = sum(ground.found[item.place].size for item in there if item.regular)
    once = [item for item in going if item.first_name]
    made = Plan(
        archive=archive,
        items=wanted,
        going=going,
        skipped=skipped,
        left_out=left_out,
        before=ground.found,
        overwritten=[item.path for item in there if _overwritten(job, item, ground)],
        lost=losses.count(
            wanted, site.losses, lambda item: survey.owned(item, ground, numeric=job.by_number)
        ),
        incapable=survey.incapable(
            [item for item in going if not (item.kind == "l" and "link_owners" in site.losses)],
            ground,
            numeric=job.by_number,
        ),
        need_bytes=sum(item.size for item in once if item.regular) - freed,
        need_inodes=len(once) - len(there),
    )
    _require_usable(job, made, ground)
    _require_room(job, made, ground)
    return made


def _require_plain(wanted: list[Item], strip: int) -> None:
    """Raises NotRestored for items that lie, or link to what lies, behind one that is no folder."""
    barriers = {item.place for item in wanted if item.kind != "d"}

    def astray(place: str) -> bool:
        parts = place.split("/")
        ways = {"/".join(parts[:end]) for end in range(1, len(parts))}
        return not {"", ".", ".."}.isdisjoint(parts) or not ways.isdisjoint(barriers)

    def source(item: Item) -> str:
        """What its hard link goes to. None is made to what --strip leaves nothing of."""
        return "/".join(item.links.split("/")[strip:])

    bad = [
        item.path
        for item in wanted
        # The folder of an archive of `.` itself is no danger.
        if (item.place != "." and astray(item.place)) or (source(item) and astray(source(item)))
    ]
    if bad:
        raise NotRestored(
            f"nothing is written through a symlink of the archive, nor above the folder: /{bad[0]}"
            f"; {len(bad)} such",
            hint="restore other paths, or --how native: its borg leaves those out",
        )


def _overwritten(job: JobSpec, item: Item, ground: Ground) -> bool:
    """A folder stays, and gets the archive's attributes: too much for "never"."""
    kept = item.kind == "d" and survey.is_folder(ground.found[item.place])
    return not kept or job.overwrite == "never"


def _require_usable(job: JobSpec, made: Plan, ground: Ground) -> None:
    if ground.state == "file" or not ground.writable:
        what = "is no folder" if ground.state == "file" else "cannot be written"
        raise TargetNotUsable(
            f"{job.into} {what} ({ground.user or ground.uid})", hint="name another folder"
        )
    if ways := survey.barred(made.items, ground):
        raise TargetNotUsable(
            f"on the way to what is to be restored, {ways[0]} in {job.into} is no folder (a "
            f"symlink?); {len(ways)} such",
            hint="nothing is written through a symlink: restore elsewhere, or make it a folder",
        )
    if job.overwrite != "never":
        return
    if made.overwritten:
        raise TargetNotUsable(
            f"{len(made.overwritten)} would be overwritten in {job.into}: "
            + ", ".join(made.data()["overwritten_paths"])
        )
    if job.into != "/" and not ground.empty:
        raise TargetNotUsable(f"{job.into} is not empty")


def _require_room(job: JobSpec, made: Plan, ground: Ground) -> None:
    if made.need_bytes > ground.free_bytes:
        raise TargetFull(
            f"{job.into} has {ground.free_bytes} bytes free, {made.need_bytes} are needed"
        )
    if ground.free_inodes is not None and made.need_inodes > ground.free_inodes:
        raise TargetFull(
            f"{job.into} has {ground.free_inodes} inodes free, {made.need_inodes} are needed"
        )
