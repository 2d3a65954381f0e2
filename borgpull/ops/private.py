"""The private folder of a job. It is there before the rest of a job's code is loaded."""

from __future__ import annotations

import fcntl
import os
import shutil
import stat
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from borgpull.errors import ConfigError

# Memory first: the copy of the ssh key should not touch a disk.
TEMP_PLACES = ("/dev/shm", "/run", "/tmp")  # noqa: S108 - mkdtemp makes a 0700 folder


PRIVATE_PREFIX = "borgpull-job-"
LOCK_NAME = ".lock"
STALE_SECONDS = 60  # no folder takes so long from being made to its lock


@contextmanager
def private_folder(places: Sequence[str] = TEMP_PLACES) -> Iterator[Path]:
    """A 0700 folder that is removed with the job. Raises ConfigError if none can be made.

    SIGKILL leaves it, with a copy of the ssh key in it. So each job locks its folder (flock(2)).
    The next job of this user removes the folders that are not locked.
    """
    folder = None
    for place in places:
        try:
            sweep_private(Path(place))
            folder = Path(tempfile.mkdtemp(prefix=PRIVATE_PREFIX, dir=place))
            break
        except OSError:
            continue
    if folder is None:
        raise ConfigError("no folder for temporary files", hint="give the container --tmpfs /tmp")
    try:
        with (folder / LOCK_NAME).open("xb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield folder
    finally:
        # Mounts below it live in the job's namespace only, so here it holds plain files.
        _remove(folder)


def sweep_private(place: Path) -> None:
    """Remove this user's private folders whose jobs are dead."""
    for folder in place.glob(f"{PRIVATE_PREFIX}*"):
        with suppress(OSError):
            there = folder.lstat()
            if there.st_uid != os.geteuid() or not stat.S_ISDIR(there.st_mode):
                continue
            # A folder that is just being made has no lock yet.
            if not (folder / LOCK_NAME).exists() and time.time() - there.st_mtime > STALE_SECONDS:
                folder.rmdir()
                continue
            with (folder / LOCK_NAME).open("rb") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                _remove(folder)


def _remove(folder: Path) -> None:
    """The lock goes last. If this is killed, the next job finds it, and goes on.

    No symlink is followed: a program that could write beside the folder may have put one there.
    """
    with suppress(OSError):
        fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            for name in os.listdir(fd):
                if name == LOCK_NAME:
                    continue
                if stat.S_ISDIR(os.lstat(name, dir_fd=fd).st_mode):
                    shutil.rmtree(name, ignore_errors=True, dir_fd=fd)
                else:
                    os.unlink(name, dir_fd=fd)
        finally:
            os.close(fd)
    shutil.rmtree(folder, ignore_errors=True)
