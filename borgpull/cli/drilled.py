"""What drills have found, for a screen."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from borgpull.cli.text import safe, size, table
from borgpull.drills.outcomes import MEANINGS
from borgpull.outputs.drills import Outcome, Share
from borgpull.reports.cases import LIMITS
from borgpull.reports.figures import duration

SHOWN = 20


def lines(data: Mapping[str, Any]) -> list[str]:
    """A drill's result."""
    word = MEANINGS[cast("Outcome", data["outcome"])].word
    what = safe(data["archive"] or data["chosen"])
    sample = f", part {data['sample']}" if data["sample"] else ""
    found = [f"{word}: {what}{sample}"]
    found += [f"  {safe(reason)}" for reason in data["reasons"]]
    if data["entries"]:
        found.append(f"  {data['entries']} entries compared with the archive's listing")
        found.append(
            f"  restored {_share(data['restored'])}; proved {_share(data['proved'])}; "
            f"not provable {_share(data['unproved'])}"
        )
    for finding in data["findings"][:SHOWN]:
        values = f"{safe(finding['expected'])} -> {safe(finding['found'])}"
        found.append(f"  {safe(finding['path'])}: {safe(finding['kind'])}: {values}")
    if (rest := sum(data["differs"].values()) - SHOWN) > 0:
        found.append(f"  and {rest} more")
    for one in data["checks"]:
        why = f": {safe(one['detail'])}" if one["detail"] else ""
        found.append(f"  check {safe(one['name'])}: {one['outcome']}{why}")
    if data["control"]:
        seen = sum(one["seen"] for one in data["control"])
        found.append(f"  control: {seen} of {len(data['control'])} faults of our own were seen")
    if data["restore_seconds"] is not None:
        found.append(f"  the restore took {duration(data['restore_seconds'])}")
    for limit in data["limits"]:
        what, value = LIMITS.get(limit["name"], limit["name"]), duration(limit["value"])
        word = "within" if limit["ok"] else "OUTSIDE"
        found.append(f"  {what}: {value}, {word} the limit of {duration(limit['limit'])}")
    if (covered := data["coverage"]) is not None:
        found.append(
            f"  proved in {covered['days']} days: {_share(covered['proved'])} of "
            f"{_share(covered['all'])}"
        )
    return found


def history(data: Mapping[str, Any]) -> list[str]:
    """The drills of a client."""
    rows = [["DRILL", "WHEN", "OUTCOME", "PART", "PROVED", "SECONDS", "ARCHIVE"]]
    for past in data["drills"]:
        seconds = past["restore_seconds"]
        rows.append(
            [
                str(past["number"]),
                past["when"][:16],
                past["outcome"],
                past["sample"] or "all",
                str(past["proved"]["files"]),
                "" if seconds is None else f"{seconds:.1f}",
                safe(past["archive"]),
            ]
        )
    return table(rows) if len(rows) > 1 else ["no drills yet"]


def _share(share: Share) -> str:
    return f"{share['files']} files, {size(share['bytes'])}"
