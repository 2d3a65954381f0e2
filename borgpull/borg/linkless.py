"""`python3 -m borgpull.borg.linkless borg extract …`: stock `borg extract`, for a tree behind SFTP.

SFTP sets owner and times of what a symlink points at, not of the symlink (libfuse/sshfs#105): a
link to /etc/shadow in an archive would give that file of the target another owner. So those two
calls of borg (borg 1.4.5, archive.py, restore_attrs) leave symlinks alone.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any


def sparing_links(call: Callable[..., None]) -> Callable[..., None]:
    """A function of `os` that does nothing where it would set something on a symlink itself."""

    def spared(path: Any, *args: Any, follow_symlinks: bool = True, **more: Any) -> None:
        if follow_symlinks or not Path(path).is_symlink():
            call(path, *args, follow_symlinks=follow_symlinks, **more)

    os.supports_follow_symlinks.add(spared)  # borg asks before it starts
    return spared


def main() -> None:
    """Run the borg command line in our arguments. Does not return."""
    from borg.archiver import main as borg  # type: ignore[import-not-found]

    for name in ("chown", "utime"):
        setattr(os, name, sparing_links(getattr(os, name)))
    sys.argv = sys.argv[1:]
    borg()


if __name__ == "__main__":
    main()
