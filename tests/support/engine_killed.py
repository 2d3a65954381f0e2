"""In a container of our image: an engine of `stream` that is killed between the repository's commit
and the cache's. `python3 -m tests.support.engine_killed all` prints what it found as JSON.
"""

from __future__ import annotations

import json
import subprocess

from tests.support.engine_alone import (
    BASE,
    ENV,
    OLD,
    SECOND,
    TOP,
    Engine,
    borg,
    bye,
    listed,
    row,
    stat,
    whole,
)
from tests.support.engine_damaged import RUN
from tests.support.evil_helper import FILE, rows

KILLED = """
import os
from borg.cache import LocalCache
LocalCache.commit = lambda self: os._exit(137)
"""
# Each archive has files that no other one has: its own, and a newest one.
ARCHIVES = ("before", "killed", "after", "last")


def frames(turn: int, known: int) -> list[bytes]:
    """A file for each turn so far, of which the first ones are known, and a newest one."""
    sts = [stat(FILE, 6, ino=20 + number, time=OLD + number) for number in range(turn + 1)]
    late = OLD + (turn + 1) * SECOND
    newest = stat(FILE, 6, ino=9, time=late)
    named = [row(1, b"f%d" % number, st) for number, st in enumerate(sts)]
    found = [rows(TOP, *named, row(1, b"z", newest)), listed(turn + 3)]
    for number in range(known, turn + 1):
        found.append(whole(number + 1, sts[number], b"file %d" % number, OLD + number))
    found.append(whole(turn + 2, newest, b"late %d" % turn, late))
    return [*found, bye(turn + 3, turn + 2 - known)]


def main() -> None:
    BASE.mkdir()
    borg("init", "--encryption", "repokey-blake2")
    codes = []
    # What the killed one has read is not in the cache: the next one reads it again.
    for turn, (name, known) in enumerate(zip(ARCHIVES, (0, 1, 1, 3), strict=True)):
        fault = KILLED if name == "killed" else ""
        codes.append(Engine(name, frames(turn, known), program=("-c", fault + RUN)).end()[0])
        if fault:
            borg("break-lock")
    contents = {name: borg("extract", "--stdout", f"::{name}") for name in ARCHIVES}
    check = ["borg", "check", "--verify-data"]
    whole = subprocess.run(check, env=ENV, capture_output=True, check=False).returncode
    print(json.dumps({"codes": codes, "contents": contents, "check": whole}))


if __name__ == "__main__":
    main()
