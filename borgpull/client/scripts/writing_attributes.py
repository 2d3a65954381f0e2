"""The helper of `borgpull restore --how stream`, second part: the attributes of what is written.

It needs Python 3.6 and its library alone.
"""

import fcntl
import grp
import os
import pwd
import stat
import struct
import sys

from borgpull.client.scripts.writing import WRONG, raw, report

MYPY = False
if MYPY:  # a target need not load it
    from typing import Any

# _IOR('f', 1, long) and _IOW('f', 2, long), linux/fs.h. These processors have other numbers
# (asm/ioctl.h).
ODD = os.uname().machine.startswith(("alpha", "mips", "parisc", "ppc", "sparc"))
GET_FLAGS = (0x40006601 if ODD else 0x80006601) | struct.calcsize("l") << 16
SET_FLAGS = (0x80006602 if ODD else 0x40006602) | struct.calcsize("l") << 16
CHANGEABLE = 0x40 | 0x10 | 0x20 | 0x04  # the flags that borg stores
ACLS = ("system.posix_acl_access", "system.posix_acl_default")
NOBODY = 0xFFFFFFFF  # the id of an ACL's entries that have none; chown(2) changes nothing for it
USER, GROUP_OBJ, GROUP, MASK = 2, 4, 8, 16  # tags of an ACL's entries (linux/posix_acl.h)

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
        who = number(int(tag == GROUP), pair) if tag in (USER, GROUP) else NOBODY
        if who == NOBODY and tag in (USER, GROUP):
            raise ValueError("nobody knows the name")
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

    The survey afterwards tells that, by numbers. It finds no fault if the archive's number is there
    by chance, and the target has another number for the owner's name. That is told here.
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


def without(entries: "list[list[Any]]") -> int:
    """What group and others may do without an access ACL: no more than anybody had by it.

    Whoever it names counts as one of the group or of the others then.
    """
    found = dict.fromkeys((USER, GROUP_OBJ, GROUP, MASK), 7)
    for tag, may, *_ in entries:
        found[tag] = found.get(tag, 7) & int(may)
    group = found[GROUP_OBJ] & found[USER] & found[MASK]
    return group << 3 | found[USER] & found[GROUP] & found[MASK]


def set_acls(what: "int | bytes", lists: "list[list[list[Any]]]", mode: int) -> int:
    """Give it these ACLs, and take off those of the folder that it was made in.

    Returns the bits for its mode, which are fewer if its access ACL fails.
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
            # The group's bits are the mask of the one that is there.
            bits &= ~0o070 if key in there else ~0o077 | without(entries)
    return bits


def narrow(what: "int | bytes", most: int) -> None:
    """Take rights off a folder that was there before: it will be another group's."""
    try:
        bits = stat.S_IMODE(os.stat(what).st_mode)  # noqa: PTH116 - of a descriptor, mostly
        if bits & ~most:
            os.chmod(what, bits & most)  # noqa: PTH101
    except OSError:
        pass  # the same will be told


def attributes(what: "int | bytes", head: "dict[str, Any]") -> None:
    """Set all but the flags.

    chown(2) drops capabilities and bits of the mode. A file that is only to be read takes no xattr
    of its owner. The ACL comes before the mode, else a group could use the mask's rights meanwhile.
    Without its owner, a setuid program would be somebody else's.
    """
    mode, lists = int(head["m"]), head.get("a") or [[], []]
    if stat.S_ISDIR(mode):
        narrow(what, stat.S_IMODE(mode) & (~0o077 | without(lists[0]) if lists[0] else ~0))
    owned = own(what, head)
    for key, value in head.get("x", {}).items():
        attempt("xattr", os.setxattr, what, raw(key), bytes.fromhex(value), name=raw(key))
    if not stat.S_ISLNK(mode):
        bits = set_acls(what, lists, mode)
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
