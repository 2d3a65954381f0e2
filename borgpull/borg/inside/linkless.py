"""`python3 -m borgpull.borg.inside.linkless borg extract …`: stock `borg extract`, for a tree by
sshfs.

SFTP sets owner and times of the file that a symlink points at, not of the symlink
(libfuse/sshfs#105). A link to /etc/shadow in an archive would give that file of the target another
owner. So those two calls of borg (borg 1.4.5, archive.py, restore_attrs) leave symlinks alone.

sshfs reports only at the close of a file that it could not be written. borg sets size and time of a
file before that (extract_item), and dies of an error at the close. The file would pass for whole,
though it has holes for content. So the file is flushed before its mode is set, which comes before
its time.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from borgpull.borg.inside import looking


def sparing_links(call: Callable[..., None]) -> Callable[..., None]:
    """A function of `os` that does nothing if it would set something on a symlink itself."""

    def spared(path: Any, *args: Any, follow_symlinks: bool = True, **more: Any) -> None:
        if follow_symlinks or not Path(path).is_symlink():
            call(path, *args, follow_symlinks=follow_symlinks, **more)

    os.supports_follow_symlinks.add(spared)  # borg asks before it starts
    return spared


def flushing(call: Callable[..., None]) -> Callable[..., None]:
    """A function of `os` for an open file that first sends all written data to the target.

    Closing a copy of the descriptor makes the kernel flush (FUSE_FLUSH). Unlike fsync(2), that does
    not wait for the disk.
    """

    def flushed(fd: int, *args: Any) -> None:
        os.close(os.dup(fd))
        call(fd, *args)

    return flushed


def main() -> None:
    """Run the borg command line in our arguments. Does not return."""
    from borg.archiver import main as borg  # type: ignore[import-not-found]

    for name in ("chown", "utime"):
        setattr(os, name, sparing_links(getattr(os, name)))
    os.fchmod = flushing(os.fchmod)
    sys.argv = sys.argv[1:]
    looking.begin(sys.argv)
    borg()


if __name__ == "__main__":
    main()
