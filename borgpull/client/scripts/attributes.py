"""Tells flags, ACLs and xattrs of files, as the target's kernel has them. A Python there runs it.

The script stands alone, because the target has no code of ours. Standard input has a line with the
folder, then names below it, each ended by NUL. It answers a line for each name: the flags of
chattr(1) as the kernel counts them (linux/fs.h); 1 for an access ACL, 2 for a default ACL; and the
names of the other xattrs, in hexadecimal digits, with a comma before each. An unknown value is `?`.
A value that the file system cannot hold is 0. No path is followed through a symlink, and nothing
but files and folders is opened: to open a device may set it going.
"""

import errno
import fcntl
import os
import stat
import struct
import sys

MYPY = False
if MYPY:  # a Python before 3.9 could not read it
    from collections.abc import Callable

# _IOR('f', 1, long), linux/fs.h. These processors have other numbers (asm/ioctl.h).
ODD = os.uname().machine.startswith(("alpha", "mips", "parisc", "ppc", "sparc"))
GET_FLAGS = (0x40006601 if ODD else 0x80006601) | struct.calcsize("l") << 16
NONE_THERE = (errno.ENOTTY, errno.EOPNOTSUPP, errno.ENOTSUP, errno.EINVAL, errno.ENOSYS)
HOLD = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC
ACLS = {"system.posix_acl_access": 1, "system.posix_acl_default": 2}


def held(folder: int, name: bytes) -> int:
    """What is there, not opened for reading. Raises OSError."""
    *way, last = name.split(b"/")
    above = os.dup(folder)
    try:
        for part in way:
            below = os.open(part, HOLD | os.O_DIRECTORY, dir_fd=above)
            os.close(above)
            above = below
        return os.open(last, HOLD, dir_fd=above)
    finally:
        os.close(above)


def by_handle(handle: int) -> str:
    return f"/proc/self/fd/{handle}"


def flags(there: int) -> int:
    """Raises OSError."""
    if stat.S_IFMT(os.fstat(there).st_mode) not in (stat.S_IFREG, stat.S_IFDIR):
        return 0
    handle = os.open(by_handle(there), os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        answer = fcntl.ioctl(handle, GET_FLAGS, bytes(struct.calcsize("l")))
        return int.from_bytes(answer[:4], sys.byteorder)
    finally:
        os.close(handle)


def acls(there: int) -> int:
    """Raises OSError."""
    return sum(ACLS.get(name, 0) for name in os.listxattr(by_handle(there)))


def xattrs(there: int) -> str:
    """Raises OSError."""
    names = [name for name in os.listxattr(by_handle(there)) if name not in ACLS]
    return "0" + "".join("," + os.fsencode(name).hex() for name in sorted(names))


def told(look: "Callable[[int], object]", there: int) -> str:
    try:
        return str(look(there))
    except OSError as error:
        return "0" if error.errno in NONE_THERE else "?"


def line(folder: int, name: bytes) -> str:
    try:
        there = held(folder, name)
    except OSError:
        return "? ? ?"
    try:
        return " ".join(told(look, there) for look in (flags, acls, xattrs))
    finally:
        os.close(there)


def main() -> None:
    where, _, names = sys.stdin.buffer.read().partition(b"\n")
    folder = os.open(where, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    for name in names.split(b"\0")[:-1]:
        sys.stdout.write(f"borgpull-attributes {line(folder, name)}\n")


if __name__ == "__main__":
    main()
