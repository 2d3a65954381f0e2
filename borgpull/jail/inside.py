"""What runs inside a job's namespaces: `python3 -m borgpull.jail.inside build|adopt`.

JSON in, JSON out, standard library only. The client's files are opened only by `openat2` below its
own root (openat2(2): RESOLVE_IN_ROOT). So a client whose /etc is a symlink cannot reach our files.
"""

from __future__ import annotations

import ctypes
import errno
import json
import os
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

SYS_OPENAT2 = 437  # the same number on every architecture (asm-generic/unistd.h)
RESOLVE_NO_MAGICLINKS = 0x02
RESOLVE_NO_SYMLINKS = 0x04
RESOLVE_IN_ROOT = 0x10

# The passwd of a large site has some 100,000 lines of 100 bytes.
MAX_NAMES = 32 << 20
# Flags of statvfs(3), and mount(8)'s words for them.
KEPT_FLAGS = {os.ST_NOEXEC: "noexec", os.ST_NOATIME: "noatime", os.ST_NODIRATIME: "nodiratime"}
DEVICES = ("null", "zero", "full", "random", "urandom")
LINKS = ("bin", "sbin", "lib", "lib32", "lib64")


class _OpenHow(ctypes.Structure):
    _fields_ = (
        ("flags", ctypes.c_uint64),
        ("mode", ctypes.c_uint64),
        ("resolve", ctypes.c_uint64),
    )


_libc = ctypes.CDLL(None, use_errno=True)


def openat2(folder: int, path: str, flags: int, resolve: int) -> int:
    """openat2(2). Raises OSError."""
    how = _OpenHow(flags | os.O_CLOEXEC, 0, resolve)
    name = ctypes.c_char_p(os.fsencode(path))
    size = ctypes.c_size_t(ctypes.sizeof(how))
    while True:
        fd = int(_libc.syscall(SYS_OPENAT2, folder, name, ctypes.byref(how), size))
        if fd >= 0:
            return fd
        if ctypes.get_errno() not in (errno.EINTR, errno.EAGAIN):
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), path)


def mount(*args: str) -> None:
    subprocess.run(["/usr/bin/mount", *args], check=True, stdin=subprocess.DEVNULL)


def bind(source: str, target: Path, *, read_only: bool = False) -> None:
    if Path(source).is_dir():
        target.mkdir(parents=True, exist_ok=True)
    else:
        target.touch()
    mount("--rbind", source, str(target))
    if read_only:
        # A user namespace may not remove the flags that a mount already has.
        has = os.statvfs(source).f_flag
        kept = [f",{name}" for bit, name in KEPT_FLAGS.items() if has & bit]
        mount("-o", f"remount,bind,ro,nosuid,nodev{''.join(kept)}", str(target))


def build(spec: dict[str, Any]) -> dict[str, Any]:
    """Mount a tmpfs and fill it: the image's /usr, devices, /proc, and what borg may write."""
    root = Path(spec["root"])
    mount("-t", "tmpfs", "-o", "mode=755,size=256m,nosuid,nodev", "borgpull", str(root))
    for name in ("etc", "dev", "proc", "tmp", "root"):
        (root / name).mkdir()
    bind("/usr", root / "usr", read_only=True)
    for name in LINKS:
        if Path("/", name).is_symlink():
            (root / name).symlink_to(Path("/", name).readlink())
    for name in DEVICES:
        bind(f"/dev/{name}", root / "dev" / name)
    # A bind, not a new proc: the engine's masks below /proc forbid a fresh one in a user namespace.
    mount("--rbind", "/proc", str(root / "proc"))
    for name in ("writable", "readable"):
        for path in spec[name]:
            bind(path, root / path.lstrip("/"), read_only=name == "readable")
    (root / "etc" / "nsswitch.conf").write_text("passwd: files\ngroup: files\n")
    for name in ("borgpull", "verify"):
        (root / "mnt" / name / spec["client"]).mkdir(parents=True)
    return {}


def adopt(spec: dict[str, Any]) -> dict[str, Any]:
    root = Path(spec["root"])
    tree = os.open(root / "mnt" / "borgpull" / spec["client"], os.O_PATH | os.O_DIRECTORY)
    names = []
    for name in ("passwd", "group"):
        try:
            content = read_plain(tree, f"etc/{name}")
        except ValueError as error:
            return {"hostile": str(error)}
        (root / "etc" / name).write_bytes(content or b"")
        if content:
            names.append(name)
    missing, failed, symlinks, links, empty = {}, [], {}, {}, []
    for path in spec["paths"]:
        try:
            found = look(tree, path)
            if found.link is not None:
                links[path] = os.path.normpath(os.path.join(os.path.dirname(path), found.link))
            elif found.empty:
                empty.append(path)
        except OSError as error:
            if error.errno == errno.ELOOP:
                symlinks[path] = link_on_the_way(tree, path)
            elif error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG):
                missing[path] = os.strerror(error.errno)
            elif error.errno == errno.EPERM:  # SFTP's "failure", as sshfs reports it
                failed.append(path)
            elif error.errno != errno.EACCES:  # borg itself reports this one
                raise
    bad = {"missing": missing, "failed": failed, "symlinks": symlinks, "links": links}
    return {"names": names, **bad, "empty": empty}


def read_plain(tree: int, path: str) -> bytes | None:
    """The content of a client's file, looked up below the client's root; None if it is missing.

    Raises ValueError if it is no regular file or too long.
    """
    try:
        # O_NONBLOCK: on a FIFO, open would wait for a writer for ever.
        flags = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY
        fd = openat2(tree, path, flags, RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS)
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.EACCES, errno.EPERM):
            return None
        if error.errno in (errno.ELOOP, errno.ENXIO, errno.EXDEV):
            raise ValueError(f"/{path} on the client is no plain file") from None
        raise
    with os.fdopen(fd, "rb", closefd=True) as file:
        info = os.fstat(fd)
        if not stat.S_ISREG(info.st_mode):
            raise ValueError(f"/{path} on the client is no plain file")
        if info.st_size > MAX_NAMES:
            raise ValueError(f"/{path} on the client has {info.st_size} bytes: no list of names")
        content = file.read(MAX_NAMES + 1)
    if len(content) > MAX_NAMES:
        raise ValueError(f"/{path} on the client does not end: no list of names")
    if len(content) < info.st_size:
        raise OSError(errno.EIO, f"/{path} on the client cannot be read to its end")
    return content


class Found(NamedTuple):
    link: str | None = None  # what a symlink points at
    empty: bool = False  # a folder with nothing in it that borg saves


def look(tree: int, path: str) -> Found:
    """Is the path there, without a symlink on the way to it? Raises OSError."""
    relative = path.strip("/")
    if not relative:
        return Found()
    parent, _, last = relative.rpartition("/")
    folder = tree
    if parent:
        folder = openat2(tree, parent, os.O_PATH, RESOLVE_IN_ROOT | RESOLVE_NO_SYMLINKS)
    try:
        mode = os.stat(last, dir_fd=folder, follow_symlinks=False).st_mode
        if stat.S_ISLNK(mode):
            return Found(link=os.readlink(last, dir_fd=folder))
        return Found(empty=stat.S_ISDIR(mode) and _is_empty(folder, last))
    finally:
        if folder != tree:
            os.close(folder)


def _is_empty(parent: int, name: str) -> bool:
    """Is nothing but sockets in it, which borg does not save? Raises OSError.

    False if the folder may not be read: borg itself reports that.
    """
    try:
        fd = openat2(parent, name, os.O_RDONLY | os.O_DIRECTORY, RESOLVE_NO_SYMLINKS)
    except PermissionError:
        return False
    try:
        with os.scandir(fd) as entries:
            return all(
                stat.S_ISSOCK(entry.stat(follow_symlinks=False).st_mode) for entry in entries
            )
    finally:
        os.close(fd)


def link_on_the_way(tree: int, path: str) -> str:
    """The first symlink among the folders above a path."""
    parts = path.strip("/").split("/")
    for end in range(1, len(parts)):
        head = "/".join(parts[:end])
        try:
            os.close(openat2(tree, head, os.O_PATH, RESOLVE_IN_ROOT | RESOLVE_NO_SYMLINKS))
        except OSError:
            return "/" + head
    return path


def main() -> None:
    step = {"build": build, "adopt": adopt}[sys.argv[1]]
    try:
        print(json.dumps(step(json.load(sys.stdin))))
    except subprocess.CalledProcessError as error:
        sys.exit(f"{error.cmd[0]} failed with {error.returncode}")  # its message is above
    except OSError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
