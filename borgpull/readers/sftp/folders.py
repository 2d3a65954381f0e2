"""The folders of a client's tree, opened and read by SFTP: some of them before their turn.

SFTP follows the symlinks on a path. So each folder is looked at once more after it was opened, and
the server tells its real path.
"""

from __future__ import annotations

import errno
import functools
import os
import stat
from collections import deque

from borgpull.readers.sftp import packets
from borgpull.readers.sftp.link import Link
from borgpull.readers.sftp.packets import ATTRS, EOF, HANDLE, Attrs, need

FOLDERS = 64  # that are read before their turn
ROOM = 512  # entries of one folder that wait
AT_FIRST, LATER = 2, 8  # requests for more of a folder: the second finds the end of a small one
MAX_ENTRIES = 50_000_000  # of one folder


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


def label(path: bytes) -> bytes:
    """A named path, as the engine calls it."""
    return path.strip(b"/") or b"."


class Folders:
    """Opens folders, and reads as much of them as has room."""

    def __init__(self, link: Link, bars: dict[bytes, list[bytes | None]]) -> None:
        """`bars` are as `hello.bars` makes them."""
        self._link, self._bars = link, bars
        self._ahead: deque[Entry] = deque()  # to be read before their turn
        self.read_ahead = 0

    def root(self, path: bytes) -> Entry:
        """Look at a named path (absolute)."""
        above = Folder(None, os.path.dirname(path.rstrip(b"/")) or b"/", b"")
        name = os.path.basename(path.rstrip(b"/"))
        entry = Entry(above, name, Attrs(0, 0, 0, 0, 0), label(path))

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
        return entry

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

    def open(self, entry: Entry) -> None:
        """Open a folder; its entry is ready once that is judged."""
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

    def look_ahead(self) -> None:
        """Open the next folders before their turn."""
        while self._ahead and self.read_ahead < FOLDERS:
            entry = self._ahead.popleft()
            if not entry.begun and not entry.above.gone:
                self.read_ahead += 1
                self.open(entry)

    def forget(self, folder: Folder) -> None:
        """Close what was opened in a folder that is left."""
        for entry in folder.entries:
            if entry.folder is not None:
                self.read_ahead -= 1
                entry.folder.pruned = True
                self.feed(entry.folder)
                self.forget(entry.folder)
        folder.entries.clear()


class _Opening:
    """A folder that is being opened. It must be one, at the path by which it was reached."""

    def __init__(self, folders: Folders, entry: Entry, folder: Folder) -> None:
        self._folders, self._entry, self._folder, self._left = folders, entry, folder, 3

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
            found = packets.attrs(body)
            if -1 in found:  # what it is, we cannot know
                self._fail(errno.EOPNOTSUPP)
            elif not stat.S_ISDIR(found.mode):
                self._fail(errno.ESTALE)
            else:
                self._entry.attrs = found
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
            self._folders.feed(self._folder)
        elif self._folder.handle:
            self._folders.close(self._folder)
