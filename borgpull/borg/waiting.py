"""`python3 -m borgpull.borg.waiting`: stock borg that has loaded its code and waits for a command.

The command line comes as a line of JSON on standard input, or by the file descriptor whose number
is the only argument; without one it ends.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence


def line(argv: Sequence[str]) -> bytes:
    """A command line as one that waits reads it."""
    return json.dumps(list(argv)).encode() + b"\n"


def command() -> list[str]:
    """The command line that comes; none if none does."""
    with open(int(sys.argv[1]) if sys.argv[1:] else 0, encoding="utf-8", closefd=False) as source:
        text = source.readline()
    return list(json.loads(text)) if text else []


def main() -> None:
    """Run the borg command line that comes; then it does not return."""
    from borg.archiver import main as borg  # type: ignore[import-not-found]

    if argv := command():
        sys.argv = argv
        borg()


if __name__ == "__main__":
    main()
