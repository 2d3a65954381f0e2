"""`python3 -m borgpull.borg.waiting`: stock borg that has loaded its code and waits for a command.

The command line comes as a line of JSON on standard input; without one it ends.
"""

from __future__ import annotations

import json
import sys


def main() -> None:
    """Run the borg command line that comes; then it does not return."""
    from borg.archiver import main as borg  # type: ignore[import-not-found]

    if line := sys.stdin.readline():
        sys.argv = json.loads(line)
        borg()


if __name__ == "__main__":
    main()
