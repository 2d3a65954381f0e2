"""`python3 -m borgpull.borg.inside.waiting`: stock borg that has loaded its code and waits for a
command.

The command line is a line of JSON. It comes on standard input, or by the file descriptor whose
number is the only argument. Without a command line, the process ends. Without a lock, it cannot
write (`looking.py`).
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence

from borgpull.borg.inside import looking


def line(argv: Sequence[str]) -> bytes:
    """A command line, as a waiting process reads it."""
    return json.dumps(list(argv)).encode() + b"\n"


def command() -> list[str]:
    """Wait for the command line; returns [] if the input ends without one."""
    with open(int(sys.argv[1]) if sys.argv[1:] else 0, encoding="utf-8", closefd=False) as source:
        text = source.readline()
    return list(json.loads(text)) if text else []


def main() -> None:
    """Wait for a borg command line and run it. With a command line, it does not return."""
    from borg.archiver import main as borg  # type: ignore[import-not-found]

    if argv := command():
        sys.argv = argv
        looking.begin(argv)
        borg()


if __name__ == "__main__":
    main()
