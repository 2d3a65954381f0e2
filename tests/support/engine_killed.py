"""In a container of our image: an engine of `stream` that is killed between the repository's commit
and the cache's. `python3 -m tests.support.engine_killed all` prints what it found as JSON.
"""

from __future__ import annotations

import json

from tests.support.engine_alone import (
    BASE,
    OLD,
    SECOND,
    Engine,
    File,
    borg,
    check,
    frames_of,
)
from tests.support.engine_damaged import RUN

KILLED = """
import os
from borg.cache import LocalCache
LocalCache.commit = lambda self: os._exit(137)
"""
# Each archive has files that no other one has: its own, and a newest one.
ARCHIVES = ("before", "killed", "after", "last")


def frames(turn: int, known: int) -> list[bytes]:
    """A file for each turn so far, of which the first ones are known, and a newest one."""
    files = [
        File(f"f{number}", 20 + number, b"file %d" % number, OLD + number, number >= known)
        for number in range(turn + 1)
    ]
    return frames_of(*files, File("z", 9, b"late %d" % turn, OLD + (turn + 1) * SECOND))


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
    print(json.dumps({"codes": codes, "contents": contents, "check": check()}))


if __name__ == "__main__":
    main()
