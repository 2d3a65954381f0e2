"""`python3 -m borgpull.borg.inside.retention`: the archives that `borg prune` would keep.

borg's own functions decide (borg 1.4.5, archiver.py, do_prune). Standard input has one JSON object:

- `archives`: the id and the time of each (ISO 8601, with its offset), in the order of `borg list`
- `within`: as for --keep-within, or null
- `numbers`: how many archives each rule keeps, by borg's names of the rules

Standard output has one object: `kept` has, by id, the rule and how many it had kept by then. Days,
weeks and so on are those of the time zone of the environment (TZ), as they are for borg.
"""

from __future__ import annotations

import json
import sys
from datetime import datetime
from typing import Any, NamedTuple


class Row(NamedTuple):
    """The fields of an archive that borg's functions read."""

    id: str
    ts: datetime


def kept(data: dict[str, Any]) -> dict[str, Any]:
    """The rule that keeps an archive, by its id. An archive without a rule is missing."""
    from borg import helpers  # type: ignore[import-not-found]

    found = [Row(borg_id, datetime.fromisoformat(time)) for borg_id, time in data["archives"]]
    found.reverse()  # do_prune's order: it decides between archives with the same time
    because: dict[str, Any] = {}
    if data["within"] is not None:
        helpers.prune_within(found, helpers.interval(data["within"]), because)
    for rule in helpers.PRUNING_PATTERNS:
        if rule in data["numbers"]:
            helpers.prune_split(found, rule, data["numbers"][rule], because)
    return because


def main() -> None:
    sys.stdout.write(json.dumps({"kept": kept(json.load(sys.stdin))}))


if __name__ == "__main__":
    main()
