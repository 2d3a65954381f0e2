"""The listing of a client's tree by SFTP: depth first, while the next folders are read ahead.

SFTP follows the symlinks on a path. So each folder is looked at once more after it was opened, and
the server tells its real path.
"""

from __future__ import annotations

import errno
import functools
import os
import stat
import struct
import zlib
from collections import deque
from collections.abc import Sequence

from borgpull.client.scripts.stream_list import (
    BATCH,
    ENTRY,
    LIST,
    LISTED,
    MAX_DEPTH,
    NAME,
    OPEN_OP,
    SCAN_OP,
    STAT,
    TROUBLE,
    Output,
    extra,
)
from borgpull.jail.wanted import Known
from borgpull.readers.sftp import packets
from borgpull.readers.sftp.link import Link
from borgpull.readers.sftp.packets import ATTRS, EOF, HANDLE, Attrs, need

AHEAD = 16384  # entries that are listed before the other side is done with them
FOLDERS = 64  # that are read before their turn
ROOM = 512  # entries of one folder that wait
AT_FIRST, LATER = 2, 8  # requests for more of a folder: the second finds the end of a small one
MAX_ENTRIES = 50_000_000  # of one folder
# OpenSSH's sftp-server names an entry by its whole path, in 4,096 bytes with a NUL. It leaves out
# what does not fit.
LONGEST_PATH, LONGEST_NAME = 4095, 255

Names = tuple[dict[int, bytes], dict[int, bytes]]  # of users and groups, by number


class Folder:
    """A folder, and what was read of it."""

    def __init__(self, above: Folder | None, path: bytes, real: bytes) -> None:
        self.above, self.path, self.real = above, path, real
        self.entries: deque[Entry] = deque()
        self.handle = b""
        self.asked = 0  # requests for more entries that are on their way
        self.batches = self.seen = 0
        self.ended = self.pruned = False
        self.errno = 0
        self.number = -1

    @property
    def gone(self) -> bool:
        """Does nobody want it any more?"""
        at: Folder | None = self
        while at is not None and not at.pruned:
            at = at.above
        return at is not None


class Entry:
    """A name in a folder."""

    __slots__ = ("above", "attrs", "begun", "errno", "folder", "label", "name", "ready", "target")

    def __init__(self, above: Folder, name: bytes, attrs: Attrs, label: bytes = b"") -> None:
        self.above, self.name, self.attrs, self.label = above, name, attrs, label or name
        self.ready = self.begun = False
        self.errno = 0
        self.target = b""
        self.folder: Folder | None = None

    @property
    def path(self) -> bytes:
        return joined(self.above.path, self.name)


def joined(folder: bytes, name: bytes) -> bytes:
    return folder.rstrip(b"/") + b"/" + name


class Tree:
    """Lists all, in an order that the engine takes: a folder, all that is in it, the next one."""

    def __init__(
        self,
        link: Link,
        out: Output,
        names: Names,
        roots: Sequence[bytes],
        bars: dict[bytes, list[bytes | None]],
    ) -> None:
        """`roots` are absolute; `bars` are as `hello.bars` makes them."""
        self._link, self._out, self._names, self._bars = link, out, names, bars
        top = Folder(None, b"", b"")
        top.ended = True
        self._stack = [top]
        self._ahead: deque[Entry] = deque()  # folders to be read before their turn
        self._read_ahead = 0
        self._told: set[tuple[int, int]] = set()
        self._rows: list[bytes] = []
        # By number: the files that the other side may still ask for.
        self.files: dict[int, Entry] = {}
        self.listed = self.done = 0
        self.ended = False
        self.known = Known()  # all names that were listed
        self.deep: list[str] = []  # folders in which SFTP cannot name all
        for path in roots:
            self._root(top, path)

    # --- what is read -----------------------------------------------------------------------------

    def _root(self, top: Folder, path: bytes) -> None:
        above = Folder(None, os.path.dirname(path.rstrip(b"/")) or b"/", b"")
        name = os.path.basename(path.rstrip(b"/"))
        entry = Entry(above, name, Attrs(0, 0, 0, 0, 0), path.strip(b"/") or b".")
        top.entries.append(entry)

        def looked(status: int, body: bytes) -> None:
            if status or entry.errno:
                entry.errno, entry.ready = entry.errno or packets.number_of(status), True
            else:
                entry.attrs = packets.attrs(body)
                self._first_look(entry)

        def found(status: int, body: bytes) -> None:
            if status:
                entry.errno = packets.number_of(status)
            else:
                above.real = packets.path(body)
            self._link.ask(packets.LSTAT, packets.text(path), ATTRS, looked)

        self._link.ask(packets.REALPATH, packets.text(above.path), packets.NAME, found)

    def _first_look(self, entry: Entry) -> None:
        """Find out what else must be known of an entry whose attributes are there."""
        kind = stat.S_IFMT(entry.attrs.mode) if entry.attrs.mode > 0 else 0
        if not kind or -1 in entry.attrs:  # what it is, we cannot know
            entry.errno, entry.ready = errno.EOPNOTSUPP, True
        elif kind == stat.S_IFLNK:
            taken = functools.partial(self._take_target, entry)
            self._link.ask(packets.READLINK, packets.text(entry.path), packets.NAME, taken)
        elif kind == stat.S_IFDIR:
            self._ahead.append(entry)
        else:
            entry.ready = True

    def _take_target(self, entry: Entry, status: int, body: bytes) -> None:
        entry.ready = True
        if status:
            # "Bad message" stands for EINVAL: it is no symlink any more.
            bad = packets.number_of(status)
            entry.errno = errno.ESTALE if bad == errno.ENAMETOOLONG else bad
        else:
            entry.target = packets.path(body)

    def _open(self, entry: Entry) -> None:
        entry.begun = True
        path = entry.path
        entry.folder = folder = Folder(entry.above, path, joined(entry.above.real, entry.name))
        opening = _Opening(self, entry, folder)
        for kind, wanted, then in (
            (packets.OPENDIR, HANDLE, opening.opened),
            (packets.LSTAT, ATTRS, opening.looked),
            (packets.REALPATH, packets.NAME, opening.found),
        ):
            self._link.ask(kind, packets.text(path), wanted, then)

    def feed(self, folder: Folder) -> None:
        """Ask for more of a folder, as far as there is room; close it at its end."""
        many = AT_FIRST if folder.batches < AT_FIRST else LATER
        done = folder.ended or folder.pruned
        while not done and folder.asked < many and len(folder.entries) < ROOM:
            folder.asked += 1
            more = functools.partial(self._more, folder)
            self._link.ask(packets.READDIR, packets.text(folder.handle), packets.NAME, more)
        if done and not folder.asked and folder.handle:
            self.close(folder)

    def close(self, folder: Folder) -> None:
        body = packets.text(folder.handle)
        folder.handle = b""
        self._link.ask(packets.CLOSE, body, packets.STATUS, lambda _status, _body: None)

    def _more(self, folder: Folder, status: int, body: bytes) -> None:
        folder.asked -= 1
        if status:
            folder.ended = True
            if status != EOF:
                folder.errno = packets.number_of(status)
        elif not folder.pruned:
            found = packets.names(body)
            folder.batches += 1
            folder.seen += len(found) + 1
            need(folder.seen < MAX_ENTRIES, "a folder without end")
            bar = self._bars.get(folder.path)
            for name, attrs in found:
                if bar is None or (name in bar) == (bar[0] is None):
                    entry = Entry(folder, name, attrs)
                    folder.entries.append(entry)
                    self._first_look(entry)
        self.feed(folder)

    def _look_ahead(self) -> None:
        while self._ahead and self._read_ahead < FOLDERS:
            entry = self._ahead.popleft()
            if not entry.begun and not entry.above.gone:
                self._read_ahead += 1
                self._open(entry)

    # --- what is told -----------------------------------------------------------------------------

    def step(self) -> None:
        """Tell as much as is known and may be told, and ask for what comes next."""
        while not self.ended and self.listed - self.done < AHEAD and self._one():
            pass
        self._flush()
        self._look_ahead()
        if not self._stack and not self.ended:
            self.ended = True
            self._out.add(LISTED, struct.pack("<Q", self.listed))

    def _one(self) -> bool:
        """Go on by one entry, or leave a folder. Returns False if something must come first."""
        if not self._stack:
            return False
        folder = self._stack[-1]
        if folder.pruned or (folder.ended and not folder.asked and not folder.entries):
            self._leave(self._stack.pop())
            return True
        if not folder.entries:
            return False
        entry = folder.entries[0]
        if not entry.ready:
            if stat.S_ISDIR(entry.attrs.mode) and not entry.begun:
                self._read_ahead += 1  # its turn has come, however many are being read
                self._open(entry)
            return False
        folder.entries.popleft()
        if folder.handle and len(folder.entries) < ROOM // 2:
            self.feed(folder)
        self._tell(entry)
        return True

    def _leave(self, folder: Folder) -> None:
        deep = len(folder.path) + 2 + LONGEST_NAME > LONGEST_PATH
        if folder.handle:
            self.feed(folder)
        if deep:
            self.deep.append(os.fsdecode(folder.path.strip(b"/")))
        if folder.errno and not folder.pruned:
            name = os.path.basename(folder.path)
            self._trouble(
                SCAN_OP, folder.errno, name if len(self._stack) > 1 else label(folder.path)
            )
        self._forget(folder)

    def _forget(self, folder: Folder) -> None:
        """Close what was opened in a folder that is left."""
        for entry in folder.entries:
            if entry.folder is not None:
                self._read_ahead -= 1
                entry.folder.pruned = True
                self.feed(entry.folder)
                self._forget(entry.folder)
        folder.entries.clear()

    def _trouble(self, op: int, number: int, name: bytes) -> None:
        self._flush()
        depth = len(self._stack) - 1
        self._out.add(TROUBLE, struct.pack("<BiH", op, number, depth), name)

    def _tell(self, entry: Entry) -> None:
        if entry.folder is not None:
            self._read_ahead -= 1
        self.known.add(os.fsdecode(entry.path.strip(b"/")) or ".")
        if entry.errno:
            self._trouble(OPEN_OP, entry.errno, entry.label)
            return
        if stat.S_ISSOCK(entry.attrs.mode):
            return  # borg saves none
        depth = len(self._stack) - 1
        more = extra(b"l", b"", entry.target) if entry.target else b""
        head = ENTRY.pack(depth, len(entry.label), len(more))
        self._rows.append(head + self.packed(entry.attrs) + entry.label + more)
        number, self.listed = self.listed, self.listed + 1
        if stat.S_ISREG(entry.attrs.mode):
            self.files[number] = entry
        if entry.folder is not None:
            entry.folder.number = number
            self._stack.append(entry.folder)
            if depth >= MAX_DEPTH:
                entry.folder.errno, entry.folder.ended = errno.ENAMETOOLONG, True
                self._forget(entry.folder)
        if len(self._rows) >= BATCH:
            self._flush()

    def packed(self, attrs: Attrs) -> bytes:
        """As the helper packs what stat(2) tells. SFTP has no ctime: the mtime stands for it."""
        for kind, number in ((0, attrs.uid), (1, attrs.gid)):
            if (kind, number) not in self._told:
                self._told.add((kind, number))
                name = self._names[kind].get(number, b"")
                self._out.add(NAME, struct.pack("<BI", kind, number), name)
        mtime = attrs.mtime * 10**9
        return STAT.pack(*(attrs.mode, attrs.uid, attrs.gid, 1, 0, 0, attrs.size, mtime, mtime, 0))

    def _flush(self) -> None:
        if self._rows:
            self._out.add(LIST, zlib.compress(b"".join(self._rows), 1))
            self._rows = []

    # --- what the other side says -----------------------------------------------------------------

    def finished(self, number: int) -> None:
        """The other side is done with all entries below `number`."""
        for old in range(self.done, number):
            self.files.pop(old, None)
        self.done = number

    def prune(self, number: int) -> None:
        """Leave a folder, if we are still in it."""
        found = [at for at, folder in enumerate(self._stack) if folder.number == number]
        for folder in self._stack[found[0] :] if found else []:
            folder.pruned = True


def label(path: bytes) -> bytes:
    """A named path, as the engine calls it."""
    return path.strip(b"/") or b"."


class _Opening:
    """A folder that is being opened. It must be one, at the path by which it was reached."""

    def __init__(self, tree: Tree, entry: Entry, folder: Folder) -> None:
        self._tree, self._entry, self._folder, self._left = tree, entry, folder, 3

    def opened(self, status: int, body: bytes) -> None:
        if status:
            self._fail(packets.number_of(status))
        else:
            self._folder.handle = packets.handle(body)
        self._count()

    def looked(self, status: int, body: bytes) -> None:
        if status:
            self._fail(packets.number_of(status))
        else:
            self._entry.attrs = packets.attrs(body)
            if not stat.S_ISDIR(self._entry.attrs.mode) or -1 in self._entry.attrs:
                self._fail(errno.ESTALE)
        self._count()

    def found(self, status: int, body: bytes) -> None:
        if status:
            self._fail(packets.number_of(status))
        elif packets.path(body).rstrip(b"/") != self._folder.real.rstrip(b"/"):
            self._fail(errno.ESTALE)  # a symlink on the way
        self._count()

    def _fail(self, number: int) -> None:
        self._entry.errno = self._entry.errno or number

    def _count(self) -> None:
        self._left -= 1
        if self._left:
            return
        self._entry.ready = True
        if not self._entry.errno:
            self._tree.feed(self._folder)
        elif self._folder.handle:
            self._tree.close(self._folder)
