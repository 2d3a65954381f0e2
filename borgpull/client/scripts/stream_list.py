"""The helper of `borgpull stream`, first part: what is on this machine.

The other side sends the text of both parts as one. A Python here runs it from memory, and nothing
is written. Answers are frames, which `borg/inside/wire.py` describes. It needs Python 3.6 and its
library alone. No symlink is followed below a named path, and no path is resolved twice.
"""

import errno
import fcntl
import os
import stat
import struct
import sys
import zlib

try:
    import grp
    import pwd
except ImportError:
    pass

HEAD, ENTRY, MOST = struct.Struct("<BI"), struct.Struct("<HHI"), (1 << 63) - 1
STAT, EXTRA = struct.Struct("<IIIIQQQqqQ"), struct.Struct("<cHI")
HELLO, LIST, NAME, WHOLE, BEGIN, DATA, ZEROS, STOP, TROUBLE, LISTED, BYE, AGAIN = range(1, 13)
OPEN_OP, SCAN_OP = 0, 1  # what has failed, in a frame of TROUBLE
BATCH = 256  # entries of one frame
MAX_DEPTH, MAX_PATH = 400, 16 << 10
NOATIME = getattr(os, "O_NOATIME", 0)
PLAIN = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY
FOLDER = PLAIN | os.O_DIRECTORY
GET_FLAGS = 0x80006601 | struct.calcsize("l") << 16  # _IOR('f', 1, long), linux/fs.h
KEPT_FLAGS = 0x70  # those of chattr(1) that borg stores: immutable, append, nodump
NO_XATTRS = (errno.ENOTSUP, errno.EPERM, errno.ENOSYS)
ACLS = {"system.posix_acl_access": b"A", "system.posix_acl_default": b"D"}
MOVED = (errno.ELOOP, errno.ENOTDIR, errno.ENXIO)


class Output:
    """Frames, written in large pieces."""

    def __init__(self) -> None:
        self.parts = []  # type: list[bytes]
        self.size = 0

    def add(self, kind: int, *parts: bytes) -> None:
        length = sum(map(len, parts))
        self.parts.append(HEAD.pack(kind, length))
        self.parts.extend(parts)
        self.size += length
        if self.size >= 128 << 10:
            self.flush()

    def flush(self) -> None:
        rest = memoryview(b"".join(self.parts))
        self.parts, self.size = [], 0
        while rest:
            rest = rest[os.write(1, rest) :]


out = Output()


def opened(name: bytes, flags: int, folder: "int | None" = None) -> int:
    """Raises OSError."""
    try:
        return os.open(name, flags | NOATIME, dir_fd=folder)
    except PermissionError:  # O_NOATIME is for the owner and for root
        return os.open(name, flags, dir_fd=folder)


told = set()  # type: set[tuple[int, int]]


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
    found = b""
    try:
        names = os.listxattr(what, **links)
    except OSError as error:
        return b"" if error.errno in NO_XATTRS else extra(b"e", b"", b"%d" % (error.errno or 0))
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
    return found


def flags(handle: int) -> bytes:
    try:
        answer = fcntl.ioctl(handle, GET_FLAGS, bytes(struct.calcsize("l")))
    except OSError:
        return b""
    number = int.from_bytes(answer[:4], sys.byteorder) & KEPT_FLAGS
    return extra(b"f", b"", b"%d" % number) if number else b""


def packed(st: os.stat_result) -> bytes:
    tell_name(0, st.st_uid)
    tell_name(1, st.st_gid)
    times = [max(-MOST, min(MOST, ns)) for ns in (st.st_mtime_ns, st.st_ctime_ns)]
    ids = (st.st_mode, st.st_uid, st.st_gid, min(st.st_nlink, 0xFFFFFFFF), st.st_dev, st.st_ino)
    return STAT.pack(*ids, st.st_size, *times, st.st_rdev)


def entry(depth: int, name: bytes, st: os.stat_result, more: bytes) -> bytes:
    return ENTRY.pack(depth, len(name), len(more)) + packed(st) + name + more


def look(name: bytes) -> "tuple[os.stat_result, bytes, int | None]":
    """What a name in the current folder is; a folder comes with an open descriptor of it.

    Raises OSError.
    """
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
            try:
                st = os.fstat(handle)
                if stat.S_ISREG(st.st_mode):
                    return st, xattrs(handle) + flags(handle), None
            finally:
                os.close(handle)
        except OSError as error:  # it was replaced by something else: look once more
            if error.errno not in MOVED or not again:
                raise
    raise OSError(errno.ESTALE, "replaced again and again")


class Node:
    """A folder on the way to files; a root has a descriptor that stays open."""

    def __init__(self, above: "Node | None", name: bytes, path: bytes, handle: int) -> None:
        self.above, self.name, self.path, self.handle = above, name, path, handle


class Level:
    """A folder that is being listed."""

    def __init__(self, node: Node, handle: int, names: "list[bytes]", number: int) -> None:
        self.node, self.handle, self.names, self.number = node, handle, names, number
        self.pruned = False


# By the number of an entry: the folder that it is in, its name, its ctime, and its depth.
files = {}  # type: dict[int, tuple[Node, bytes, int, int]]


class Walk:
    """Depth first, the entries of a folder by inode, as borg goes. No path is resolved twice."""

    def __init__(self, plan: "dict[str, object]") -> None:
        self.roots = [bytes.fromhex(text) for text in plan["roots"]]  # type: ignore[attr-defined]
        bars = plan["bars"].items()  # type: ignore[attr-defined]
        # By folder: the names that are left out; or, with a None first, the only ones that are not.
        self.bars = {
            bytes.fromhex(path): [name if name is None else bytes.fromhex(name) for name in names]
            for path, names in bars
        }
        self.listed = 0
        self.levels = []  # type: list[Level]
        self.rows = []  # type: list[bytes]

    def trouble(self, op: int, depth: int, name: bytes, error: OSError) -> None:
        self.flush()
        out.add(TROUBLE, struct.pack("<BiH", op, error.errno or 0, depth), name)

    def flush(self) -> None:
        if self.rows:
            out.add(LIST, zlib.compress(b"".join(self.rows), 1))
            self.rows = []

    def names(self, node: Node, handle: int) -> "list[bytes]":
        """Raises OSError."""
        if os.scandir in os.supports_fd:
            with os.scandir(handle) as found:
                pairs = [(item.inode(), os.fsencode(item.name)) for item in found]
        else:  # Python 3.6
            raw = map(os.fsencode, os.listdir(handle))
            pairs = [(os.stat(n, dir_fd=handle, follow_symlinks=False).st_ino, n) for n in raw]
        names = [name for _, name in sorted(pairs, key=lambda pair: pair[0])]
        bar = self.bars.get(node.path)
        if bar is None:
            return names
        return [name for name in names if (name in bar) == (bar[0] is None)]

    def enter(self, node: Node, handle: int, number: int) -> None:
        depth = len(self.levels)
        try:
            os.fchdir(handle)  # the user may be allowed to list it, but not to look into it
            if depth >= MAX_DEPTH or len(node.path) > MAX_PATH:
                raise OSError(errno.ENAMETOOLONG, "too deep")
            names = self.names(node, handle)
        except OSError as error:
            self.trouble(SCAN_OP, depth, node.name, error)
            names = []
        names.reverse()
        self.levels.append(Level(node, handle, names, number))

    def leave(self) -> None:
        level = self.levels.pop()
        if level.node.above is not None:
            os.close(level.handle)
        if self.levels:
            above = self.levels[-1]
            try:
                os.fchdir(above.handle)
            except OSError as error:
                self.trouble(SCAN_OP, len(self.levels) - 1, above.node.name, error)
                above.names.clear()

    def one(self, above: "Node | None", name: bytes, label: bytes, path: bytes) -> None:
        """List a name of the current folder; `label` is what the other side is told."""
        depth = len(self.levels)
        try:
            st, more, handle = look(name)
        except OSError as error:
            self.trouble(OPEN_OP, depth, label, error)
            return
        if stat.S_ISSOCK(st.st_mode):
            return  # borg saves none
        number, self.listed = self.listed, self.listed + 1
        self.rows.append(entry(depth, label, st, more))
        if stat.S_ISREG(st.st_mode):
            node = above or Node(None, b"", os.path.dirname(path), opened(b".", FOLDER))
            files[number] = (node, name, st.st_ctime_ns, depth)
        if handle is not None:
            self.enter(Node(above, label if above is None else name, path, handle), handle, number)

    def step(self) -> bool:
        """List some more; is there more to list?"""
        for _ in range(BATCH):
            while self.levels and (self.levels[-1].pruned or not self.levels[-1].names):
                self.leave()
            if self.levels:
                node = self.levels[-1].node
                name = self.levels[-1].names.pop()
                self.one(node, name, name, node.path.rstrip(b"/") + b"/" + name)
            elif self.roots:
                self.root(self.roots.pop(0))
            else:
                self.flush()
                out.add(LISTED, struct.pack("<Q", self.listed))
                return False
        self.flush()
        return True

    def root(self, path: bytes) -> None:
        label = path.strip(b"/") or b"."
        try:
            os.chdir(os.path.dirname(path.rstrip(b"/")) or b"/")
        except OSError as error:
            self.trouble(OPEN_OP, 0, label, error)
            return
        self.one(None, os.path.basename(path.rstrip(b"/")) or b".", label, path)

    def prune(self, number: int) -> None:
        """Leave a folder, if the walk is still in it: the other side does not want it."""
        found = [at for at, level in enumerate(self.levels) if level.number == number]
        for level in self.levels[found[0] :] if found else []:
            level.pruned = True
