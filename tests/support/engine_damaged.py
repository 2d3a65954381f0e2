"""In a container of our image: an engine of `stream` that damages what it writes, as a bad memory,
disk or program would. `python3 -m tests.support.engine_damaged CASE` prints what it found as JSON.
"""

from __future__ import annotations

import json
import random
import subprocess
import sys
from typing import Any

from tests.support.engine_alone import (
    BASE,
    ENV,
    OLD,
    SECOND,
    TOP,
    Engine,
    borg,
    bye,
    check,
    contents,
    listed,
    row,
    stat,
    whole,
)
from tests.support.evil_helper import FILE, rows

FILES = 40
PUT = """
from borg.repository import Repository
stock, count = Repository.put, 0
def put(self, id, data, wait=True):
    global count
    count += any(id)  # but for the manifest
    if any(id) and count % 10 == 5:
        {what}
    return stock(self, id, data, wait=wait)
Repository.put = put
"""
FLIPPED = PUT.format(what="data = data[:-1] + bytes([data[-1] ^ 1])")
FORGOTTEN = PUT.format(what="return")
# Content of another file, with the envelope, the sums and the encryption as they should be.
MIXED = """
from borg.crypto.key import AESKeyBase
stock, last = AESKeyBase.encrypt, None
def encrypt(self, chunk):
    global last
    found = chunk if last is None or len(last) != len(chunk) else last
    last = chunk
    return stock(self, found)
AESKeyBase.encrypt = encrypt
"""
# Only what says which files there are.
ITEMS = """
from borg.archive import CacheChunkBuffer
stock = CacheChunkBuffer.write_chunk
def write_chunk(self, chunk):
    from borg.crypto.key import AESKeyBase
    known = AESKeyBase.encrypt
    AESKeyBase.encrypt = lambda self, data: known(self, bytes(len(data)))
    try:
        return stock(self, chunk)
    finally:
        AESKeyBase.encrypt = known
CacheChunkBuffer.write_chunk = write_chunk
"""
# Where several contents are written at once, one of them: the first such write.
DISK = """
from borg import repository
class Bad(repository.SyncFile):
    left = 1
    def write(self, data):
        if len(data) > 600 and Bad.left:
            Bad.left, data = 0, data[:-9] + bytes(9)
        super().write(data)
repository.SyncFile = Bad
"""
FAULTS = {"disk": DISK, "flipped": FLIPPED, "forgotten": FORGOTTEN, "mixed": MIXED, "items": ITEMS}
RUN = "\nfrom borgpull.borg.inside.stream import main\nmain()\n"


def frames(pause: float) -> list[bytes | float]:
    dice = random.Random(7)
    sts = [stat(FILE, 600, ino=20 + number) for number in range(FILES)]
    last = stat(FILE, 5, ino=9, time=OLD + SECOND)
    named = [row(1, b"f%02d" % number, st) for number, st in enumerate(sts)]
    found: list[bytes | float] = [rows(TOP, *named, row(1, b"z", last)), listed(FILES + 2)]
    for number, st in enumerate(sts, 1):
        found += [whole(number, st, dice.randbytes(600))]
        if number == FILES // 2 and pause:
            found.append(pause)
    return [*found, whole(FILES + 1, last, b"later", OLD + SECOND), bye(FILES + 2, FILES + 1)]


def damaged(fault: str, *options: str, pause: float = 0.0) -> dict[str, Any]:
    """A run with this fault, and a healthy one after it."""
    program = ("-c", FAULTS[fault] + RUN)
    code, said = Engine("bad", frames(pause), *options, program=program).end()
    names = borg("list", "--consider-checkpoints", "--short").split()
    later, _ = Engine("good", frames(0.0)).end()
    checked = check()
    dice = random.Random(7)
    wanted = b"".join(dice.randbytes(600) for _ in range(FILES)) + b"later"
    argv = ["borg", "extract", "--stdout", "::good"]
    found = subprocess.run(argv, env=ENV, capture_output=True, check=False).stdout
    return {
        "code": code,
        "said": said[-600:],
        "archives": names,
        "later": later,
        "whole": checked,
        "same": found == wanted,
        "files": len(contents("good")) - 1,
    }


def checkpoint() -> dict[str, Any]:
    """A checkpoint is due in the middle."""
    return damaged("flipped", "--checkpoint-interval", "1", pause=6.0)


if __name__ == "__main__":
    BASE.mkdir()
    borg("init", "--encryption", "repokey-blake2")
    case = sys.argv[1]
    print(json.dumps(checkpoint() if case == "checkpoint" else damaged(case)))
