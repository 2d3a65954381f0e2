"""`python3 -m borgpull.borg.exact borg list --json-lines …`: stock `borg list`, names as they are.

borg puts question marks for bytes that are no text into every listing (borg 1.4.5, parseformat.py),
though JSON can carry them. What is looked up by its name on another machine needs the name.
"""

from __future__ import annotations

import sys


def main() -> None:
    """Run the borg command line in our arguments. Does not return."""
    from borg.archiver import main as borg  # type: ignore[import-not-found]
    from borg.helpers import parseformat  # type: ignore[import-not-found]

    parseformat.remove_surrogates = lambda text, errors="replace": text
    sys.argv = sys.argv[1:]
    borg()


if __name__ == "__main__":
    main()
