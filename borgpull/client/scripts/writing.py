"""The helper of `borgpull restore --how stream`, first part: folders, names and attributes.

It needs Python 3.6 and its library alone. No path is resolved by the kernel: each part of it is
opened in the folder before, and never through a symlink.
"""

import contextlib
import errno
import fcntl
import grp
import hashlib
import os
import pwd
import stat
import struct
import sys

MYPY = False
if MYPY:  # a target need not load it
    from typing import Any

# Kinds of answers (`borg/inside/replies.py`).
TROUBLE, TOLD, BYE = range(1, 4)
# What has failed, by its number in this row.
OPS = ("open", "make", "write", "name", "chown", "chmod", "acl", "xattr", "time", "flags", "link")
MAX_TROUBLES = 32  # of one item
IN = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
THROUGH = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
WRONG = (OSError, ValueError, OverflowError, TypeError)  # a name or number that no system knows
# _IOR('f', 1, long) and _IOW('f', 2, long), linux/fs.h. These processors have other numbers
# (asm/ioctl.h).
ODD = os.uname().machine.startswith(("alpha", "mips", "parisc", "ppc", "sparc"))
GET_FLAGS = (0x40006601 if ODD else 0x80006601) | struct.calcsize("l") << 16
SET_FLAGS = (0x80006602 if ODD else 0x40006602) | struct.calcsize("l") << 16
CHANGEABLE = 0x40 | 0x10 | 0x20 | 0x04  # the flags that borg stores
ACLS = ("system.posix_acl_access", "system.posix_acl_default")
NOBODY = 0xFFFFFFFF  # the id of an ACL's entries that have none; chown(2) changes nothing for it
GROUP, MASK = 4, 16  # tags of an ACL's entries (linux/posix_acl.h)

# --- what is said ---------------------------------------------------------------------------------


class Report:
    """What has failed, and how far this side is. It is sent when the other side asks."""

    def __init__(self) -> None:
        self.number = self.bytes = self.troubles = 0
        self.parts = []  # type: list[bytes]

    def trouble(self, op: str, error: BaseException, name: bytes = b"") -> None:
        self.troubles += 1
        if self.troubles <= MAX_TROUBLES:
            code = getattr(error, "errno", None) or errno.EINVAL
            text = struct.pack("<IBi", self.number, OPS.index(op), code) + name[:255]
            self.parts.append(struct.pack("<BI", TROUBLE, len(text)) + text)

    def tell(self, kind: int = TOLD) -> None:
        self.parts.append(struct.pack("<BIIQ", kind, 12, self.number, self.bytes))
        rest = memoryview(b"".join(self.parts))
        self.parts = []
        while rest:
            rest = rest[os.write(1, rest) :]


report = Report()

# --- folders --------------------------------------------------------------------------------------


def entered(name: bytes, folder: int, make: bool) -> int:
    """A folder in a folder. Raises OSError, also if it is a symlink."""
    try:
        return os.open(name, IN, dir_fd=folder)
    except FileNotFoundError:
        if not make:
            raise
        os.mkdir(name, 0o700, dir_fd=folder)
        return os.open(name, IN, dir_fd=folder)
    except PermissionError:  # whoever may not list it may pass through it all the same
        return os.open(name, THROUGH, dir_fd=folder)


class Way:
    """The open folders on the way to where this side is."""

    def __init__(self, root: bytes) -> None:
        self.names = []  # type: list[bytes]
        self.handles = [os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)]

    def to(self, names: "list[bytes]", make: bool = True) -> int:
        """The descriptor of a folder: it is valid until the next call. Raises OSError."""
        same = 0
        while same < min(len(names), len(self.names)) and names[same] == self.names[same]:
            same += 1
        while len(self.names) > same:
            self.names.pop()
            os.close(self.handles.pop())
        for name in names[same:]:
            self.handles.append(entered(name, self.handles[-1], make))
            self.names.append(name)
        return self.handles[-1]


def raw(text: str) -> bytes:
    """The bytes of a name, whatever the locale here is."""
    return text.encode("utf-8", "surrogateescape")


def parts(path: str) -> "list[bytes]":
    """The names of a path. Raises ValueError for one that leads elsewhere."""
    names = [name for name in raw(path).split(b"/") if name not in (b"", b".")]
    if b".." in names:
        raise ValueError("a path that leads up")
    return names


# --- names ----------------------------------------------------------------------------------------


def hidden(name: bytes) -> bytes:
    """The name of an entry that is not ready. A later run makes and removes the same one."""
    return b".borgpull-" + hashlib.sha256(name).hexdigest()[:20].encode()


def removed(name: bytes, folder: int) -> bytes:
    """The same name, free now. Raises OSError."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(name, dir_fd=folder)
    return name


def renamed(name: bytes, folder: int) -> None:
    """Give an entry its own name, in the place of what is there. Raises OSError."""
    old = hidden(name)
    try:
        try:
            os.rename(old, name, src_dir_fd=folder, dst_dir_fd=folder)
        except OSError as error:
            if error.errno != errno.EISDIR:
                raise
            os.rmdir(name, dir_fd=folder)
            os.rename(old, name, src_dir_fd=folder, dst_dir_fd=folder)
    finally:
        removed(old, folder)  # rename(2) does nothing to two names of one file


nameless = {}  # type: dict[int, bool]


def can_be_nameless(folder: int) -> bool:
    """Can a file have no name until it is whole, by the file system of a folder? Tried once."""
    device = os.fstat(folder).st_dev
    if device not in nameless:
        name = removed(hidden(b""), folder)
        try:
            handle = os.open(b".", os.O_TMPFILE | os.O_WRONLY, 0o600, dir_fd=folder)
            try:
                os.link(by_handle(handle), name, dst_dir_fd=folder)
            finally:
                os.close(handle)
            nameless[device] = True
        except OSError:
            nameless[device] = False
        finally:
            removed(name, folder)
    return nameless[device]


def by_handle(handle: int) -> bytes:
    """A path that leads to what is open, and nowhere else."""
    return b"/proc/self/fd/%d" % handle


# --- attributes -----------------------------------------------------------------------------------

known = {}  # type: dict[tuple[int, str], int]


def number(kind: int, pair: "list[Any]") -> int:
    """The id of a user (0) or group (1): by its name if this machine knows it, or the number."""
    there, text = pair[0], pair[1]  # type: int, str | None
    if text is None:
        return there
    if (kind, text) not in known:
        try:
            found = pwd.getpwnam(text)[2] if kind == 0 else grp.getgrnam(text)[2]
        except (KeyError, ValueError):
            found = -1
        known[kind, text] = found
    found = known[kind, text]
    return there if found < 0 else found


def acl(entries: "list[list[Any]]") -> bytes:
    """An ACL as the kernel has it (linux/posix_acl_xattr.h)."""
    rows = []
    for tag, bits, *pair in entries:
        who = number(int(tag == 8), pair) if tag in (2, 8) else NOBODY
        rows.append((tag, who, bits))
    packed = [struct.pack("<HHI", tag, bits, who) for tag, who, bits in sorted(rows)]
    return struct.pack("<I", 2) + b"".join(packed)


def attempt(op: str, call: "Any", *words: "Any", name: bytes = b"", **more: "Any") -> bool:
    """Did it work?"""
    try:
        call(*words, **more)
    except WRONG as error:
        report.trouble(op, error, name)
        return False
    return True


def own(what: "int | bytes", head: "dict[str, Any]") -> bool:
    """Does it belong to its owner now? As borg, say nothing of what only root may do.

    The survey afterwards tells that, by numbers. If it is to find no fault, it is told here: the
    archive's number may be another user's, as the target knows the owner's name by another one.
    """
    wanted = number(0, head["u"]), number(1, head["g"])
    try:
        if NOBODY in wanted:
            raise OverflowError
        os.chown(what, *wanted)
    except PermissionError as error:
        there = os.stat(what)  # noqa: PTH116 - of a descriptor, mostly
        if there.st_uid == head["u"][0] != wanted[0] or there.st_gid == head["g"][0] != wanted[1]:
            report.trouble("chown", error)
        return False
    except WRONG as error:
        report.trouble("chown", error)
        return False
    return True


def group_bits(entries: "list[list[Any]]") -> int:
    """What an ACL lets the owning group do, as bits of a mode."""
    bits = 7
    for tag, may, *_ in entries:
        if tag in (GROUP, MASK):
            bits &= int(may)
    return bits << 3


def set_acls(what: "int | bytes", lists: "list[list[list[Any]]]", mode: int) -> int:
    """Give it these ACLs, and take off those of the folder that it was made in.

    Returns the bits for its mode. If its access ACL fails, the group must not get the rights that
    stand in the place of its own: the mask's.
    """
    bits = stat.S_IMODE(mode)
    try:
        there = os.listxattr(what)
    except OSError:
        there = []
    for at, key in enumerate(ACLS):
        entries, done = lists[at], True
        if entries:
            done = attempt("acl", lambda k=key, e=entries: os.setxattr(what, k, acl(e)))
        elif key in there:
            done = attempt("acl", os.removexattr, what, key)
        if not done and key == ACLS[0]:
            bits &= ~0o070 | (group_bits(entries) if entries else 0)
    return bits


def attributes(what: "int | bytes", head: "dict[str, Any]") -> None:
    """Set all but the flags.

    chown(2) drops capabilities and bits of the mode. A file that is only to be read takes no xattr
    of its owner. The ACL comes before the mode, else a group could use the mask's rights meanwhile.
    Without its owner, a setuid program would be somebody else's.
    """
    owned, mode = own(what, head), int(head["m"])
    for key, value in head.get("x", {}).items():
        attempt("xattr", os.setxattr, what, raw(key), bytes.fromhex(value), name=raw(key))
    if not stat.S_ISLNK(mode):
        bits = set_acls(what, head.get("a") or [[], []], mode)
        if stat.S_ISREG(mode) and not owned:
            bits &= ~(stat.S_ISUID | stat.S_ISGID)
        attempt("chmod", os.chmod, what, bits)
    attempt("time", os.utime, what, ns=tuple(head["t"]))


def flags(handle: int, head: "dict[str, Any]") -> None:
    """Set the flags that borg stores, and leave the others as they are."""
    wanted = head.get("f")
    if wanted is None:
        return
    try:
        answer = fcntl.ioctl(handle, GET_FLAGS, bytes(struct.calcsize("l")))
        there = int.from_bytes(answer[:4], sys.byteorder)
        new = there & ~CHANGEABLE | int(wanted)
        if new != there:
            # Whatever the number says, the kernel takes an int: the first four bytes.
            fcntl.ioctl(handle, SET_FLAGS, struct.pack("I", new).ljust(struct.calcsize("l"), b"\0"))
    except OSError as error:
        if wanted:
            report.trouble("flags", error)
