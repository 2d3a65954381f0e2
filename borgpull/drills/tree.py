"""The restored tree, looked at without following any symlink in it."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

_BLOCK = 1 << 20
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_FIRST = 1 << 16  # bytes: most files have fewer, and a large buffer takes time
# What a missing folder says, and one in whose place something else is.
_NOT_THERE = {errno.ENOENT, errno.ENOTDIR, errno.ELOOP}
ACCESS, DEFAULT = b"system.posix_acl_access", b"system.posix_acl_default"


class Seen(NamedTuple):
    """An entry as it was restored."""

    st: os.stat_result
    target: str
    xattrs: dict[bytes, bytes]
    access: bytes  # an ACL, as the kernel has it
    default: bytes


class Tree:
    """The folder that an archive was restored into. Paths are relative to it."""

    def __init__(self, root: Path) -> None:
        """Raises OSError, also if the root is a symlink."""
        self._root = os.open(root, _FOLDER)
        self._place = _Place(self._root)

    def close(self) -> None:
        self._place.close()
        os.close(self._root)

    def look(self, path: str) -> Seen | None:
        """None if it is not there. Raises OSError for an entry that cannot be looked at."""
        fd, name = self._in_its_folder(path)
        st = _lstat(fd, name)
        if fd is None or st is None:
            return None
        target = os.readlink(name, dir_fd=fd) if stat.S_ISLNK(st.st_mode) else ""
        xattrs = _xattrs(f"/proc/self/fd/{fd}/{name}")
        access = xattrs.pop(ACCESS, b"") if xattrs else b""
        default = xattrs.pop(DEFAULT, b"") if xattrs else b""
        return Seen(st, target, xattrs, access, default)

    def lstat(self, path: str) -> os.stat_result | None:
        """As `look`, without what takes longer."""
        return _lstat(*self._in_its_folder(path))

    def _in_its_folder(self, path: str) -> tuple[int | None, str]:
        """The open folder of an entry, and its name there. Raises OSError."""
        folder, _, name = path.rpartition("/")
        if path in ("", "."):
            folder, name = "", "."
        return self._place.to(folder), name

    @contextlib.contextmanager
    def opened(self, path: str) -> Iterator[int]:
        """A regular file, to be read. Raises OSError."""
        fd, name = self._in_its_folder(path)
        if fd is None:
            raise FileNotFoundError(path)
        handle = os.open(name, _FILE, dir_fd=fd)
        try:
            yield handle
        finally:
            os.close(handle)

    def sha256(self, path: str) -> str:
        """Of a regular file's content. Raises OSError."""
        with self.opened(path) as handle:
            return sum_of(handle)

    def paths(self) -> Iterator[str]:
        """All paths but the root. Raises OSError."""
        place = _Place(self._root)
        try:
            rest = [""]
            while rest:
                folder = rest.pop()
                fd = place.to(folder)
                if fd is None:
                    raise FileNotFoundError(errno.ENOENT, "it has gone while it was read", folder)
                yield from _in(fd, folder, rest)
        finally:
            place.close()


def sum_of(handle: int, goes_on: Callable[[], bool] = lambda: True) -> str:
    """The sha256 of an open file's content; "" if it does not go on. Raises OSError."""
    sum_ = hashlib.sha256(os.read(handle, _FIRST))
    while block := os.read(handle, _BLOCK):
        if not goes_on():
            return ""
        sum_.update(block)
    return sum_.hexdigest()


def _lstat(folder: int | None, name: str) -> os.stat_result | None:
    if folder is None:
        return None
    try:
        return os.stat(name, dir_fd=folder, follow_symlinks=False)
    except (FileNotFoundError, NotADirectoryError):
        return None


class _Place:
    """One open folder, which moves through the tree. A deep tree needs no more open files."""

    def __init__(self, root: int) -> None:
        self._root, self._at, self._fd = root, "", os.dup(root)

    def close(self) -> None:
        os.close(self._fd)

    def to(self, folder: str) -> int | None:
        """Open this folder; None if there is none. Raises OSError if it cannot be opened."""
        if folder == self._at:
            return self._fd
        way, from_root = _way(self._at, folder)
        fd = os.dup(self._root if from_root else self._fd)
        for name in way:
            try:
                below = os.open(name, _FOLDER, dir_fd=fd)
            except OSError as error:
                if error.errno in _NOT_THERE:
                    return None
                raise
            finally:
                os.close(fd)
            fd = below
        os.close(self._fd)
        self._at, self._fd = folder, fd
        return fd


def _way(at: str, folder: str) -> tuple[list[str], bool]:
    """The names from one folder to another, and whether they begin at the root: if that is nearer.

    Mostly it is a folder below: nothing else of a long path is looked at then.
    """
    if not at or folder.startswith(f"{at}/"):
        rest = folder[len(at) + 1 :] if at else folder
        return (rest.split("/") if rest else []), False
    names, here = folder.split("/") if folder else [], at.split("/")
    same = next(
        (
            number
            for number, (one, other) in enumerate(zip(names, here, strict=False))
            if one != other
        ),
        min(len(names), len(here)),
    )
    up = len(here) - same
    return (names, True) if up > same else ([*([".."] * up), *names[same:]], False)


def _xattrs(path: str) -> dict[bytes, bytes]:
    """Raises OSError, but not on a file system without any."""
    try:
        names = os.listxattr(path, follow_symlinks=False)
    except OSError as error:
        if error.errno == errno.ENOTSUP:
            return {}
        raise
    if not names:
        return {}
    return {os.fsencode(name): os.getxattr(path, name, follow_symlinks=False) for name in names}


def _in(fd: int, folder: str, rest: list[str]) -> Iterator[str]:
    """The paths in a folder; those of the folders among them are added to `rest`."""
    before = f"{folder}/" if folder else ""
    with os.scandir(fd) as entries:
        for entry in entries:
            path = f"{before}{entry.name}"
            if entry.is_dir(follow_symlinks=False):
                rest.append(path)
            yield path
