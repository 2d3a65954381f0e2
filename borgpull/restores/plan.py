"""What a restore will do, and whether the target is fit for it. Nothing is written."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from borgpull.errors import NotRestored, TargetFull, TargetNotUsable
from borgpull.jobs import Restore
from borgpull.restores import survey
from borgpull.restores.base import Site
from borgpull.restores.tally import Plan, Tally
from borgpull.trees.folders import ways
from borgpull.trees.item import Item, Items
from borgpull.trees.survey import Ground


def plan(job: Restore, site: Site, archive: str, wanted: Items) -> Plan:
    """Look at the target. Raises NotRestored, TargetNotUsable, TargetFull, ConnectionLost."""
    if site.follows:
        _require_plain(wanted, job.strip)
    ground = survey.look(site, ())
    tally = Tally(job, site, ground)
    # A folder with nothing but lost+found counts as empty (survey.sh).
    if not ground.empty or any(item.place.startswith("lost+found") for item in wanted):
        for batch in wanted.batches(survey.BATCH):
            tally.look(batch, survey.look(site, batch))
    for index, item in enumerate(wanted):
        tally.count(index, item)
    made = tally.plan(archive, wanted)
    _require_usable(job, made, ground, tally.barred(wanted))
    if job.room_check:
        _require_room(job, made, ground)
    return made


def _require_plain(wanted: Items, strip: int) -> None:
    """Raises NotRestored for items that would be written through an item that is no folder.

    The same goes for a hard link whose first name lies behind such an item.
    """

    def source(item: Item) -> str:
        """The place of a hard link's first name; "" if --strip leaves nothing of it."""
        return "/".join((item.links or "").split("/")[strip:])

    def places() -> Iterator[str]:
        for item in wanted:
            yield item.place
            if item.links:
                yield source(item)

    on_the_way = ways(places())
    barriers = {item.place for item in wanted if item.kind != "d" and item.place in on_the_way}

    def astray(place: str) -> bool:
        strange = not {"", ".", ".."}.isdisjoint(place.split("/"))
        return strange or (bool(barriers) and not ways([place]).isdisjoint(barriers))

    bad = [
        item.path
        for item in wanted
        # An archive of `.` has an item for the folder itself, which is no danger.
        if (item.place != "." and astray(item.place)) or (source(item) and astray(source(item)))
    ]
    if bad:
        raise NotRestored(
            f"nothing is written through a symlink of the archive, nor above the folder: /{bad[0]}"
            f"; {len(bad)} such",
            hint="restore other paths, or --how native: its borg leaves those out",
        )


def _require_usable(job: Restore, made: Plan, ground: Ground, barred: Sequence[str]) -> None:
    if ground.state == "file" or not ground.writable:
        what = "is no folder" if ground.state == "file" else "cannot be written"
        raise TargetNotUsable(
            f"{job.into} {what} ({ground.user or ground.uid})", hint="name another folder"
        )
    if barred:
        raise TargetNotUsable(
            f"on the way to what is to be restored, {barred[0]} in {job.into} is no folder (a "
            f"symlink?); {len(barred)} such",
            hint="nothing is written through a symlink: restore elsewhere, or make it a folder",
        )
    if job.overwrite != "never":
        return
    if made.overwritten:
        raise TargetNotUsable(
            f"{made.overwritten} would be overwritten in {job.into}: "
            + ", ".join(made.overwritten_paths)
        )
    if job.into != "/" and not ground.empty:
        raise TargetNotUsable(f"{job.into} is not empty")


def _require_room(job: Restore, made: Plan, ground: Ground) -> None:
    for free, needed, what in (
        (ground.free_bytes, made.need_bytes, "bytes"),
        (ground.free_inodes, made.need_inodes, "inodes"),
    ):
        if free is not None and needed > free:
            raise TargetFull(
                f"{job.into} has {free} {what} free, {needed} are needed",
                hint="make room, or restore fewer paths; --no-room-check tries it all the same",
            )
