"""Tells the flags and ACLs of files, as the target's kernel has them. A Python there runs it.

The script stands alone, because the target has no code of ours. Standard input has a line with the
folder, then names below it, each ended by NUL. It answers a line for each name: the flags of
chattr(1) as the kernel counts them (linux/fs.h), and 1 for an access ACL, 2 for a default ACL. An
unknown value is `?`. A value that the file system cannot hold is 0.
"""

import errno
import fcntl
import os
import struct
import sys

MYPY = False
if MYPY:  # a Python before 3.9 could not read it
    from collections.abc import Callable

# _IOR('f', 1, long), linux/fs.h. These processors have other numbers (asm/ioctl.h).
ODD = os.uname().machine.startswith(("alpha", "mips", "parisc", "ppc", "sparc"))
GET_FLAGS = (0x40006601 if ODD else 0x80006601) | struct.calcsize("l") << 16
NONE_THERE = (errno.ENOTTY, errno.EOPNOTSUPP, errno.ENOTSUP, errno.EINVAL, errno.ENOSYS)
ACLS = {"system.posix_acl_access": 1, "system.posix_acl_default": 2}


def flags(path: bytes) -> int:
    """Raises OSError."""
    handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        answer = fcntl.ioctl(handle, GET_FLAGS, bytes(struct.calcsize("l")))
        return int.from_bytes(answer[:4], sys.byteorder)
    finally:
        os.close(handle)


def acls(path: bytes) -> int:
    """Raises OSError."""
    return sum(ACLS.get(name, 0) for name in os.listxattr(path, follow_symlinks=False))


def told(look: "Callable[[bytes], int]", path: bytes) -> str:
    try:
        return str(look(path))
    except OSError as error:
        return "0" if error.errno in NONE_THERE else "?"


def main() -> None:
    folder, _, names = sys.stdin.buffer.read().partition(b"\n")
    for name in names.split(b"\0")[:-1]:
        path = os.path.join(folder, name)
        sys.stdout.write(f"borgpull-attributes {told(flags, path)} {told(acls, path)}\n")


if __name__ == "__main__":
    main()
