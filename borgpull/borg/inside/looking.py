"""`python3 -m borgpull.borg.inside.looking borg --bypass-lock …`: stock borg that takes no lock,
unable to write to the repository.

borg without a lock writes all the same if it finds a commit without its index, as beside every
backup for a moment (`replayed.py`). Two independent barriers prevent that here:

- The index that borg would write stays in memory.
- An audit hook refuses to change the repository's folder, and whatever is below it.

The cache, the security folder and the target of an extract are elsewhere. They stay writable.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from borgpull.borg.inside import refusing, replayed

BYPASS = "--bypass-lock"


def is_for(words: Sequence[str]) -> bool:
    """Does a borg command line ask for no lock?"""
    return BYPASS in words and BYPASS in words[: [*words, "--"].index("--")]


def begin(words: Sequence[str]) -> None:
    """Make this process one that cannot write, if it is to run such a command line.

    A borg with a lock goes on as always.
    """
    if not is_for(words):
        return
    from borg.repository import Repository  # type: ignore[import-not-found]

    replayed.use(Repository)
    sys.addaudithook(refusing.below(os.environ["BORG_REPO"]))


def main() -> None:
    """Run the borg command line in our arguments. Does not return."""
    from borg.archiver import main as borg  # type: ignore[import-not-found]

    sys.argv = sys.argv[1:]
    begin(sys.argv)
    borg()


if __name__ == "__main__":
    main()
