"""The helper of `borgpull restore --how stream`, first part: folders and names.

It needs Python 3.6 and its library alone. No path is resolved by the kernel: each part of it is
opened in the folder before, and never through a symlink.
"""

import contextlib
import errno
import hashlib
import os
import struct

# Kinds of answers (`borg/inside/replies.py`).
TROUBLE, TOLD, BYE = range(1, 4)
# What has failed, by its number in this row.
OPS = ("open", "make", "write", "name", "chown", "chmod", "acl", "xattr", "time", "flags", "link")
MAX_TROUBLES = 32  # of one item
IN = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
THROUGH = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
WRONG = (OSError, ValueError, OverflowError, TypeError)  # a name or number that no system knows

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
