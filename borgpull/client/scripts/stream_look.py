"""The helper of `borgpull stream`, first part: what an entry is, and the frames that tell it.

The other side sends the texts of all parts. A Python here runs it from memory, and nothing is
written. Answers are frames, which `borg/inside/wire.py` describes. It needs Python 3.6 and its
library alone. No symlink is followed below a named path, and no path is resolved twice.
"""

import errno
import fcntl
import os
import stat
import struct
import sys

try:
    import grp
    import pwd
except ImportError:
    pass

MYPY = False
if MYPY:  # a Python before 3.9 could not read it
    from collections.abc import Callable

HEAD, ENTRY, MOST = struct.Struct("<BI"), struct.Struct("<HHI"), (1 << 63) - 1
STAT, EXTRA = struct.Struct("<IIIIQQQqqQ"), struct.Struct("<cHI")
CLOSED = b"o\0\0"  # how an EXTRA begins that says that a file cannot be opened
ROW = struct.Struct(ENTRY.format + STAT.format[1:])  # of an entry, up to its name
HELLO, LIST, NAME, WHOLE, BEGIN, DATA, ZEROS, STOP, TROUBLE, LISTED, BYE, AGAIN = range(1, 13)
SAME, SUM, LANES, LANE = 13, 14, 16, 17
SMALL = 512 << 10  # bytes of a file: it is one frame, and may be listed briefly
MAX_XATTRS = 3 << 20  # bytes of all attributes of one entry
# How Python encodes names of files. os.fsencode does the same, in twice the time.
CODING = sys.getfilesystemencoding(), sys.getfilesystemencodeerrors()
NOATIME = getattr(os, "O_NOATIME", 0)
PLAIN = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY
FOLDER = PLAIN | os.O_DIRECTORY
WAY = os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC  # a folder that may perhaps not be listed
# _IOR('f', 1, long), linux/fs.h. These processors have other numbers (asm/ioctl.h).
ODD = os.uname().machine.startswith(("alpha", "mips", "parisc", "ppc", "sparc"))
GET_FLAGS = (0x40006601 if ODD else 0x80006601) | struct.calcsize("l") << 16
NO_FLAGS = bytes(struct.calcsize("l"))
KEPT_FLAGS = 0x70  # those of chattr(1) that borg stores: immutable, append, nodump
NO_XATTRS = (errno.ENOTSUP, errno.EPERM, errno.ENOSYS)
ACLS = {"system.posix_acl_access": b"A", "system.posix_acl_default": b"D"}
REGULAR = stat.S_IFREG >> 12
MOVED = (errno.ELOOP, errno.ENOTDIR, errno.ENXIO)
NO_LINK = errno.EINVAL  # of readlink(2)


def widen(handle: int) -> None:
    """Give a pipe 1 MiB, the most that any user may have (fcntl(2), F_SETPIPE_SZ). It is for large
    files: sshd and this process wake each other less often. With small ones alone, it costs time.
    """
    try:
        fcntl.fcntl(handle, 1031, 1 << 20)
    except OSError:
        return  # it is no pipe, or this user has too many large ones


def write(block: bytes, handle: int = 1) -> None:
    rest = memoryview(block)
    while rest:
        rest = rest[os.write(handle, rest) :]


class Output:
    """Frames, written in large pieces."""

    def __init__(self, write: "Callable[[bytes], None]" = write) -> None:
        self.parts = []  # type: list[bytes]
        self.size = 0
        self.write = self.send = write

    def add(self, kind: int, *parts: bytes) -> None:
        length = sum(map(len, parts))
        self.parts.append(HEAD.pack(kind, length))
        self.parts.extend(parts)
        self.size += length
        if self.size >= 128 << 10:
            self.flush()

    def flush(self) -> None:
        block = b"".join(self.parts)
        self.parts, self.size = [], 0
        if block:
            self.send(block)


out = Output()


def opened(name: bytes, flags: int, folder: "int | None" = None) -> int:
    """Raises OSError."""
    try:
        return os.open(name, flags | NOATIME, dir_fd=folder)
    except PermissionError:  # O_NOATIME is for the owner and for root
        return os.open(name, flags, dir_fd=folder)


told = set()  # type: set[tuple[int, int]]
owners = set()  # type: set[tuple[int, int]] # users with groups whose names are told


def tell_name(kind: int, number: int) -> None:
    """Tell the name of a user (0) or group (1), once."""
    if (kind, number) in told:
        return
    told.add((kind, number))
    try:  # NameError: a Python without these modules
        name = pwd.getpwuid(number)[0] if kind == 0 else grp.getgrgid(number)[0]
    except (KeyError, NameError, OverflowError):
        name = ""
    out.add(NAME, struct.pack("<BI", kind, number), os.fsencode(name))


def extra(tag: bytes, key: bytes, value: bytes) -> bytes:
    return EXTRA.pack(tag, len(key), len(value)) + key + value


def xattrs(what: "int | bytes") -> bytes:
    """Extended attributes and ACLs of an open file, or of a name in the current folder."""
    links = {} if isinstance(what, int) else {"follow_symlinks": False}
    try:
        names = os.listxattr(what, **links)
    except FileNotFoundError:
        raise  # it has vanished since it was looked at
    except OSError as error:
        return b"" if error.errno in NO_XATTRS else extra(b"e", b"", b"%d" % (error.errno or 0))
    found = b""
    for name in names:
        key = os.fsencode(name)
        try:
            value = os.getxattr(what, name, **links)
        except OSError as error:
            if error.errno != errno.ENODATA:  # it was deleted meanwhile
                found += extra(b"e", key, b"%d" % (error.errno or 0))
            continue
        if name in ACLS:
            for tag, _, number in struct.iter_unpack("<HHI", value[4 : len(value) // 8 * 8 + 4]):
                if tag in (2, 8):
                    tell_name(int(tag == 8), number)
        found += extra(ACLS.get(name, b"x"), key if name not in ACLS else b"", value)
        if len(found) > MAX_XATTRS:
            return extra(b"e", b"", b"%d" % errno.E2BIG)
    return found


def flags(handle: int) -> bytes:
    try:
        answer = fcntl.ioctl(handle, GET_FLAGS, NO_FLAGS)
    except OSError:
        return b""
    return kept(answer)


def kept(answer: bytes) -> bytes:
    number = int.from_bytes(answer[:4], sys.byteorder) & KEPT_FLAGS
    return extra(b"f", b"", b"%d" % number) if number else b""


def attributes(handle: int) -> bytes:
    """Extended attributes, ACLs and flags of an open file. Most have none, which is found soon."""
    try:
        found = xattrs(handle) if os.listxattr(handle) else b""
        answer = fcntl.ioctl(handle, GET_FLAGS, NO_FLAGS)
        return found if answer == NO_FLAGS else found + kept(answer)
    except OSError:
        return xattrs(handle) + flags(handle)


def packed(st: os.stat_result) -> bytes:
    return STAT.pack(*fields(st))


def fields(st: os.stat_result) -> "tuple[int, ...]":
    """What STAT packs."""
    mode, ino, dev, nlink, uid, gid, size = st[:7]
    if (uid, gid) not in owners:
        owners.add((uid, gid))
        tell_name(0, uid)
        tell_name(1, gid)
    mtime, ctime = st.st_mtime_ns, st.st_ctime_ns
    if not -MOST <= mtime <= MOST or not -MOST <= ctime <= MOST:
        mtime, ctime = [max(-MOST, min(MOST, ns)) for ns in (mtime, ctime)]
    return mode, uid, gid, min(nlink, 0xFFFFFFFF), dev, ino, size, mtime, ctime, st.st_rdev


def entry(depth: int, name: bytes, st: os.stat_result, more: bytes) -> bytes:
    return ROW.pack(depth, len(name), len(more), *fields(st)) + name + more


def regular(handle: int) -> "tuple[os.stat_result, bytes | None]":
    """What an open file is, and its attributes; None for them if it is no regular one.

    It is closed here. Raises OSError.
    """
    try:
        st = os.fstat(handle)
        return st, attributes(handle) if stat.S_ISREG(st.st_mode) else None
    finally:
        os.close(handle)


def look(name: bytes, plain: bool = False) -> "tuple[os.stat_result, bytes, int | None]":
    """What a name in the current folder is; a folder comes with an open descriptor of it.

    `plain` says that it was a regular file when its folder was listed. Raises OSError.
    """
    if plain:
        try:
            handle = os.open(name, PLAIN | NOATIME)
        except OSError:
            pass  # look at it without opening it first
        else:
            st, more = regular(handle)
            if more is not None:
                return st, more, None
    for again in (2, 1, 0):
        st = os.lstat(name)
        kind = stat.S_IFMT(st.st_mode)
        try:
            if kind == stat.S_IFDIR:
                handle = opened(name, FOLDER)
                return os.fstat(handle), xattrs(handle) + flags(handle), handle
            if kind == stat.S_IFLNK:
                return st, extra(b"l", b"", os.readlink(name)) + xattrs(name), None  # noqa: PTH115
            if kind != stat.S_IFREG:
                return st, b"" if kind == stat.S_IFSOCK else xattrs(name), None
            try:
                handle = opened(name, PLAIN)
            except OSError as error:
                if error.errno in MOVED:
                    raise
                return st, xattrs(name) + extra(b"o", b"", b"%d" % (error.errno or 0)), None
            st, more = regular(handle)
            if more is not None:
                return st, more, None
        except OSError as error:  # it was replaced by something else: look once more
            moved = error.errno in MOVED or (kind == stat.S_IFLNK and error.errno == NO_LINK)
            if not moved or not again:
                raise
    raise OSError(errno.ESTALE, "replaced again and again")


def may_have_more(name: bytes) -> bool:
    """Has a name in the current folder extended attributes or ACLs, or does nobody know?"""
    try:
        return bool(os.listxattr(name, follow_symlinks=False))
    except OSError as error:
        return error.errno not in NO_XATTRS


def inode(name: bytes, folder: int) -> int:
    """0 if it has vanished since it was listed: its turn will tell."""
    try:
        return os.stat(name, dir_fd=folder, follow_symlinks=False).st_ino
    except OSError:
        return 0


def is_plain(item: "os.DirEntry[str]") -> bool:
    """Is it a regular file? Most file systems tell it with the name."""
    try:
        return item.is_file(follow_symlinks=False)
    except OSError:
        return False
