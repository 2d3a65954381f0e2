"""The archives that stay by the rules of `borg prune`, and the commands of a prune.

borg's own functions apply the rules, but to archives that are chosen here.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from borgpull.borg.command import Borg, location
from borgpull.errors import BorgFailed
from borgpull.jobs import Keep
from borgpull.process import CommandError, run

PROGRAM = (sys.executable, "-P", "-m", "borgpull.borg.inside.retention")
NEWEST = "newest"  # our own rule, which borg does not have
SECONDS = 600.0
# Names on one command line. Each has at most 255 bytes (borg 1.4.5, archive names), so all fit.
BATCH = 500

Rows = Sequence[Mapping[str, Any]]


def kept(keep: Keep, rows: Rows) -> dict[str, str]:
    """The rule that keeps an archive, by its id, in the words of `borg prune --list`.

    `rows` are in the order of `borg list`. The newest archive always stays: a client that was off
    for long might have no other left. Raises BorgFailed.
    """
    if not rows:
        return {}
    question = {
        "archives": [[row["id"], row["time"]] for row in rows],
        "within": keep.within,
        "numbers": keep.numbers(),
    }
    try:
        done = run(PROGRAM, timeout=SECONDS, stdin=json.dumps(question).encode())
    except CommandError as error:
        raise BorgFailed(f"what is to be kept is not known: {error}") from None
    return {rows[-1]["id"]: NEWEST} | _rules(done.stdout, {row["id"] for row in rows})


def _rules(answer: bytes, ids: set[str]) -> dict[str, str]:
    """Read the answer. Raises BorgFailed for a bad one, by which nothing may be removed."""
    try:
        found = {
            str(key): (str(rule), int(n)) for key, (rule, n) in json.loads(answer)["kept"].items()
        }
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        raise BorgFailed("what is to be kept is not known: no answer") from None
    if not found.keys() <= ids:
        raise BorgFailed("what is to be kept is not known: an archive that was not asked for")
    return {key: f"{rule} #{number}" for key, (rule, number) in found.items()}


def delete(borg: Borg, names: Sequence[str]) -> None:
    """`borg delete` of the archives with exactly these names. Raises borg's errors."""
    for at in range(0, len(names), BATCH):
        first, *more = names[at : at + BATCH]
        # Only the first word is a location, in which braces are placeholders.
        borg.run("delete", "--", location(first), *more)


def compact(borg: Borg) -> None:
    """`borg compact`. Raises borg's errors."""
    borg.run("compact")
