#!/usr/bin/python3
"""A client that answers `stream` with lies: it stands in the place of its python3.

/srv/control/lie names the lie. The writer is apart from ours, so that both cannot share an error.
"""

from __future__ import annotations

import json
import os
import struct
import sys
import zlib
from pathlib import Path

HELLO, LIST, NAME, WHOLE, BEGIN, DATA, ZEROS, STOP, TROUBLE, LISTED, BYE, AGAIN = range(1, 13)
SAME, SUM = 13, 14
DIR, FILE, LINK = 0o40755, 0o100644, 0o120777
ROOT = b"srv/data"


def frame(kind: int, content: bytes = b"") -> bytes:
    return struct.pack("<BI", kind, len(content)) + content


def stat(mode: int, size: int = 0) -> bytes:
    return struct.pack("<IIIIQQQqqQ", mode, 0, 0, 1, 1, 7, size, 10**18, 10**18, 0)


def row(depth: int, name: bytes, mode: int, size: int = 0) -> bytes:
    return struct.pack("<HHI", depth, len(name), 0) + stat(mode, size) + name


def rows(*found: bytes) -> bytes:
    return frame(LIST, zlib.compress(b"".join(found)))


def whole(number: int, size: int, data: bytes) -> bytes:
    end = struct.pack("<BiqQ", 0, 0, 10**18, size)
    return frame(
        WHOLE, struct.pack("<IBi", number, 0, 0) + stat(FILE, size) + bytes(4) + end + data
    )


TOP = rows(row(0, ROOT, DIR))
ONE = rows(row(0, ROOT, DIR), row(1, b"file", FILE, 5))
ENDED = frame(LISTED, struct.pack("<Q", 2))
GOOD = [ONE, ENDED, whole(1, 5, b"hello")]
GOODBYE = frame(BYE, struct.pack("<QQ", 2, 1))
BIG = frame(BEGIN, struct.pack("<IBi", 1, 0, 0) + stat(FILE, 5) + bytes(4))
ZERO = frame(ZEROS, struct.pack("<I", 1 << 20))

# By the lie's name: frames, and the exit code of this program.
LIES: dict[str, tuple[list[bytes], int]] = {
    "nothing": ([*GOOD, GOODBYE], 0),
    "up": ([TOP, rows(row(1, b"..", DIR))], 0),
    "bomb": ([frame(LIST, zlib.compress(bytes(64 << 20)))], 0),
    "count": ([TOP, frame(LISTED, struct.pack("<Q", 5))], 0),
    "order": ([ONE, ENDED, whole(9, 5, b"hello")], 0),
    "folder": ([ONE, ENDED, frame(AGAIN, struct.pack("<I", 1) + row(1, b"file", DIR))], 0),
    "goodbye": ([*GOOD, frame(BYE, struct.pack("<QQ", 2, 7))], 0),
    "endless": ([ONE, ENDED, BIG, *([ZERO] * 3000)], 0),
    "flood": ([TOP, rows(*(row(1, b"%d" % n, FILE) for n in range(50_000)))], 0),
    "short": ([ONE, ENDED, whole(1, 5, b"hell"), GOODBYE], 0),
    "ends": ([ONE], 0),
    "fails": ([*GOOD, GOODBYE], 3),
    "begun": ([*GOOD, GOODBYE], 0),
}
# It has begun, as no mount lies below the path; and it tells of one.
MOUNTS = b"1 1 8:1 / / rw - ext4 disk rw\n2 1 0:9 / /srv/data/below rw - proc proc rw\n"
BEGUN: dict[str, object] = {"begins": True, "mounts": MOUNTS.hex()}


def write(data: bytes) -> None:
    while data:
        data = data[os.write(1, data) :]


def main() -> None:
    lines = sys.stdin.buffer
    lines.read(int(lines.read(8)))
    question = json.loads(lines.readline())
    paths = [{"holds": "something"}] * len(question["paths"])
    facts = {"python": [3, 6, 0], "machine": "Evil", "uid": 0, "time": int(os.times().elapsed)}
    write(b"\nborgpull-stream 1 \n")
    lie = Path("/srv/control/lie").read_text()
    answer = {**facts, "mounts": "", "cpu": "", "paths": paths, **(BEGUN if lie == "begun" else {})}
    write(frame(HELLO, json.dumps(answer).encode()))
    if lie != "begun" and not lines.readline():
        return
    frames, code = LIES[lie]
    for item in frames:
        write(item)
    sys.exit(code)


if __name__ == "__main__":
    main()
