"""The helper of `borgpull restore --how stream`, third part: it writes what an archive has.

The other side sends the text of all parts, and a Python here runs them from memory. Standard input
brings frames: a kind, the lengths of a header (JSON) and of content, and both. A file gets its name
once it is whole. Until then it has none, if the file system can do that (O_TMPFILE).
"""

import errno
import fcntl
import json
import os
import resource
import signal
import stat
import struct
import sys

from borgpull.client.scripts.writing import (
    BYE,
    WRONG,
    Way,
    by_handle,
    can_be_nameless,
    hidden,
    parts,
    raw,
    removed,
    renamed,
    report,
)
from borgpull.client.scripts.writing_attributes import attributes, flags

MYPY = False
if MYPY:  # a target need not load it
    from typing import Any

HEAD = struct.Struct("<BII")
# Kinds of frames (`borg/inside/outlet.py`).
ROOT, FOLDER, FILE, DATA, HOLE, END, DROP, LINK, NODE, CLOSE, TELL, FINISH = range(1, 13)
MARK = b"\nborgpull-write 1 \n"  # a profile's greeting may come before
LOOK = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC
NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC

# --- entries --------------------------------------------------------------------------------------


class File:
    """A file that is being written."""

    def __init__(self, folder: int, name: bytes, head: "dict[str, Any]") -> None:
        self.folder, self.name, self.head = os.dup(folder), name, head
        self.good, self.hole, self.bare, self.handle = False, False, True, -1
        self.there = False  # has it got its name?
        try:
            self.bare = can_be_nameless(folder)
            if self.bare:
                self.handle = os.open(b".", os.O_TMPFILE | os.O_WRONLY, 0o600, dir_fd=folder)
            else:
                old = removed(hidden(name), folder)
                self.handle = os.open(old, NEW, 0o600, dir_fd=folder)
            self.good = True
        except OSError as error:
            report.trouble("open", error)

    def write(self, data: "memoryview | bytes") -> None:
        if not self.good:
            return
        rest, self.hole = memoryview(data), False
        try:
            while rest:
                rest = rest[os.write(self.handle, rest) :]
        except OSError as error:
            report.trouble("write", error)
            self.good = False

    def skip(self, size: int) -> None:
        """A hole."""
        if self.good:
            try:
                os.lseek(self.handle, size, os.SEEK_CUR)
                self.hole = True
            except WRONG as error:
                report.trouble("write", error)
                self.good = False

    def end(self, whole: bool) -> None:
        """Give it its attributes and its name, if it is whole; else nothing of it stays."""
        try:
            if self.good and whole:
                self.finish()
        finally:
            if self.handle >= 0:
                os.close(self.handle)
            if not self.bare:
                removed(hidden(self.name), self.folder)
            os.close(self.folder)

    def finish(self) -> None:
        try:
            if self.hole:
                os.ftruncate(self.handle, os.lseek(self.handle, 0, os.SEEK_CUR))
            # A file server may tell of a full disk at close(2) only.
            os.close(os.dup(self.handle))
        except OSError as error:
            return report.trouble("write", error)
        attributes(self.handle, self.head)
        try:
            if self.bare:
                self.link()
            else:
                renamed(self.name, self.folder)
        except OSError as error:
            return report.trouble("name", error)
        self.there = True
        return flags(self.handle, self.head)  # an immutable file gets no name

    def link(self) -> None:
        """Raises OSError."""
        path = by_handle(self.handle)
        try:
            os.link(path, self.name, dst_dir_fd=self.folder)
        except FileExistsError:
            os.link(path, removed(hidden(self.name), self.folder), dst_dir_fd=self.folder)
            renamed(self.name, self.folder)


def make_folder(folder: int, name: bytes) -> None:
    """Make a folder, in the place of what is there and is none. Raises OSError."""
    try:
        os.mkdir(name, 0o700, dir_fd=folder)
    except FileExistsError:
        if not stat.S_ISDIR(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode):
            os.unlink(name, dir_fd=folder)
            os.mkdir(name, 0o700, dir_fd=folder)


def close_folder(handle: int, head: "dict[str, Any]") -> None:
    """Give a folder its attributes: nothing more comes into it."""
    passed = fcntl.fcntl(handle, fcntl.F_GETFL) & os.O_PATH  # it may not be listed
    attributes(by_handle(handle) if passed else handle, head)
    flags(handle, head)


def make_node(folder: int, name: bytes, head: "dict[str, Any]") -> None:
    """A symlink, FIFO or device. It is made under another name, and held there. Raises OSError."""
    mode, new = head["m"], removed(hidden(name), folder)
    if stat.S_ISLNK(mode):
        os.symlink(raw(head["s"]), new, dir_fd=folder)
    else:
        os.mknod(new, stat.S_IFMT(mode), head.get("d", 0), dir_fd=folder)
    try:
        handle = os.open(new, LOOK, dir_fd=folder)
        try:
            there = os.fstat(handle)
            if stat.S_IFMT(there.st_mode) != stat.S_IFMT(mode) or there.st_nlink != 1:
                raise OSError(errno.ESTALE, "replaced by somebody else")
            attributes(by_handle(handle), head)
        finally:
            os.close(handle)
        renamed(name, folder)
    finally:
        removed(new, folder)


def make_link(way: Way, folder: int, name: bytes, first: "list[bytes]") -> None:
    """One more name of a file. Raises OSError."""
    new = removed(hidden(name), folder)
    source = way.to(first[:-1], make=False)
    os.link(first[-1], new, src_dir_fd=source, dst_dir_fd=folder, follow_symlinks=False)
    renamed(name, folder)


# --- the input ------------------------------------------------------------------------------------


class Target:
    """What is done with each frame."""

    def __init__(self, root: bytes) -> None:
        self.way = Way(root)
        self.file = None  # type: File | None
        # Of files that have not got their name: what is there is another one, if it is any.
        self.missing = set()  # type: set[tuple[bytes, ...]]

    def item(self, kind: int, head: "dict[str, Any]", content: bytes) -> None:
        """A frame that begins an item. Raises OSError, ValueError."""
        names = parts(head["p"])
        if kind == CLOSE:
            return close_folder(self.way.to(names), head)
        if not names:  # the folder that is restored to
            return None
        if kind in (FILE, NODE):
            self.missing.add(tuple(names))
        folder = self.way.to(names[:-1])
        if kind == FOLDER:
            make_folder(folder, names[-1])
        elif kind == FILE:
            self.file = File(folder, names[-1], head)
            self.file.write(content)
            if head.get("c"):
                self.end(whole=True)
        elif kind == NODE:
            make_node(folder, names[-1], head)
            self.missing.discard(tuple(names))
        elif kind == LINK:
            self.link(folder, names[-1], parts(head["s"]))
        return None

    def link(self, folder: int, name: bytes, first: "list[bytes]") -> None:
        """Raises OSError, also if the first name is of another file, as its own has failed."""
        if tuple(first) in self.missing:
            raise FileNotFoundError(errno.ENOENT, "its first name is missing")
        held = os.dup(folder)
        try:
            make_link(self.way, held, name, first)
        finally:
            os.close(held)

    def end(self, whole: bool) -> None:
        if self.file is not None:
            file, self.file = self.file, None
            file.end(whole)
            if file.there:
                self.missing.discard(tuple(parts(file.head["p"])))

    def take(self, kind: int, head: "dict[str, Any]", content: bytes) -> None:
        try:
            self.do(kind, head, content)
        except WRONG as error:
            report.trouble("make", error)
        report.bytes += len(content)

    def do(self, kind: int, head: "dict[str, Any]", content: bytes) -> None:
        """Raises OSError, ValueError."""
        if kind == DATA:
            if self.file is not None:
                self.file.write(content)
        elif kind == HOLE:
            report.bytes += head["n"]
            if self.file is not None:
                self.file.skip(head["n"])
        elif kind in (END, DROP):
            self.end(whole=kind == END)
        elif kind == TELL:
            report.tell()
        else:
            report.number, report.troubles = report.number + 1, 0
            self.item(kind, head, content)


def frame() -> "tuple[int, dict[str, Any], bytes]":
    """Raises SystemExit at an end of the input."""
    source = sys.stdin.buffer
    start = source.read(HEAD.size)
    if len(start) < HEAD.size:
        raise SystemExit(3)  # the other side is gone
    kind, head, content = HEAD.unpack(start)
    text, data = source.read(head), source.read(content)
    if len(data) < content or len(text) < head:
        raise SystemExit(3)
    return kind, json.loads(text.decode("ascii")) if head else {}, data


def stop(*_: object) -> None:
    raise SystemExit(4)


def main() -> None:
    for number in (signal.SIGHUP, signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    os.umask(0o077)
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    most = 4096 if hard == resource.RLIM_INFINITY else min(hard, 4096)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))  # one for each folder on the way
    report.parts.append(MARK)
    _, head, _ = frame()
    target = Target(raw(head["p"]))
    report.tell()
    try:
        while True:
            kind, head, content = frame()
            if kind == FINISH:
                break
            target.take(kind, head, content)
    finally:
        target.end(whole=False)
    report.tell(BYE)
