"""Writing files of the state: by adding a line, or by replacing the file in one step.

The data is on the disk when a call returns.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from borgpull.errors import ConfigError, of_storage


def append(path: Path, line: bytes, is_whole: Callable[[bytes], bool]) -> None:
    """Add a line, with its newline, in place of a last line that was cut.

    `is_whole` says whether a last line lacks only its newline. Raises DiskFull, StorageFailed,
    ConfigError.
    """
    with told(path):
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            _write(fd, line, is_whole)
            os.fsync(fd)
        finally:
            os.close(fd)
        _sync_folder(path.parent)


def replace(path: Path, content: bytes, mode: int = 0o666) -> None:
    """Replace a file as a whole, or not at all. Raises DiskFull, StorageFailed, ConfigError.

    `mode` is limited by the umask. The owner is the folder's (`as_its_folder`).
    """
    fresh = path.with_name(path.name + ".new")
    with told(path):
        fresh.unlink(missing_ok=True)
        fd = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
        with open(fd, "wb") as file:
            as_its_folder(fresh)
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
        _sync_folder(path.parent)


def as_its_folder(path: Path) -> None:
    """Give what root has made to the folder's owner. Raises OSError.

    Drills must be root, and backups of the same state are mostly another user.
    """
    if os.geteuid() == 0:
        owner = path.parent.stat()
        if owner.st_uid != 0:
            os.chown(path, owner.st_uid, owner.st_gid, follow_symlinks=False)


@contextmanager
def told(path: Path) -> Iterator[None]:
    """Raises DiskFull, StorageFailed, ConfigError for what the file system refuses."""
    try:
        yield
    except OSError as error:
        raise of_storage(error, path.parent) or ConfigError(
            f"cannot write {path}: {error.strerror}"
        ) from None


def _sync_folder(path: Path) -> None:
    folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _write(fd: int, data: bytes, is_whole: Callable[[bytes], bool]) -> None:
    """Write after the whole lines of a file. If not all can be written, nothing stays."""
    content = os.pread(fd, os.fstat(fd).st_size, 0)
    rest = content[content.rfind(b"\n") + 1 :]
    if rest and is_whole(rest):  # only its newline is missing
        data, rest = b"\n" + data, b""
    end = len(content) - len(rest)
    os.ftruncate(fd, end)
    try:
        done = 0
        while done < len(data):
            done += os.pwrite(fd, data[done:], end + done)
    except OSError:
        with suppress(OSError):
            os.ftruncate(fd, end)
        raise
