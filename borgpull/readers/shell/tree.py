"""What is listed, as the engine takes it; and the files that it may still ask for."""

from __future__ import annotations

import errno
import os
import stat
from collections import deque
from collections.abc import Sequence
from typing import NamedTuple

from borgpull.borg.inside.wire import Stat
from borgpull.client.scripts.stream_list import MAX_DEPTH, MAX_PATH, OPEN_OP
from borgpull.client.scripts.stream_look import STAT, Output, extra
from borgpull.jail.findings import MAX_TOLD
from borgpull.readers.child import BadAnswer
from borgpull.readers.shell.link import Answer, Link
from borgpull.readers.shell.records import Record
from borgpull.readers.telling import Names, Telling

ERRNOS = {"gone": errno.ENOENT, "denied": errno.EACCES, "moved": errno.ESTALE, "failed": errno.EIO}


class Place(NamedTuple):
    """Where a name is: its folder, the path that this must really have, and the name."""

    folder: bytes
    real: bytes
    name: bytes


class Tree(Telling[tuple[Place, Stat]]):
    """Takes records in find's order, which is depth first, and tells them."""

    def __init__(self, link: Link, out: Output, names: Names, roots: Sequence[bytes]) -> None:
        """`roots` are absolute."""
        super().__init__(out, names)
        self._link = link
        self._roots = deque(roots)
        self._root = b""
        self._open: list[bytes] = []  # the folders that the last entry is in, as they were told
        # What has no place in the listing, and why; up to a bound.
        self.lost: list[tuple[bytes, str]] = []
        self._real: dict[bytes, bytes] = {}  # of the folders of the roots
        for root in roots:
            self._ask_real(os.path.dirname(root.rstrip(b"/")) or b"/")
        link.drain()

    def _ask_real(self, folder: bytes) -> None:
        def found(answer: Answer) -> None:
            self._real[folder] = answer.text() or folder

        self._link.ask("p", found, folder)

    def take(self, records: Sequence[Record]) -> None:
        """Tell them. What find did not say of some is asked first. Raises BadAnswer, Ended."""
        more: dict[int, bytes] = {}
        devices: dict[int, int] = {}
        failed: dict[int, int] = {}
        for number, record in enumerate(records):
            if record.target is None:
                self._ask_target(number, record, more, failed)
            elif record.st.st_rdev == 0 and stat.S_IFMT(record.st.st_mode) in (
                stat.S_IFCHR,
                stat.S_IFBLK,
            ):
                self._ask_device(number, record, devices, failed)
        if more or self._link.busy:
            self._link.drain()
        for number, record in enumerate(records):
            target = more.get(number, record.target or b"")
            st = record.st._replace(st_rdev=devices.get(number, record.st.st_rdev))
            self._tell(record.path, st, target, failed.get(number, 0))
        self.flush()

    def _ask_target(
        self, number: int, record: Record, more: dict[int, bytes], failed: dict[int, int]
    ) -> None:
        def found(answer: Answer) -> None:
            more[number] = answer.text()
            if not more[number]:
                failed[number] = ERRNOS.get(answer.word, errno.EIO)

        self._link.ask("l", found, *self.place(record.path))

    def _ask_device(
        self, number: int, record: Record, devices: dict[int, int], failed: dict[int, int]
    ) -> None:
        def found(answer: Answer) -> None:
            try:
                major, minor = (int(text, 16) for text in answer.text().split())
                devices[number] = os.makedev(major, minor)
            except (ValueError, OverflowError):
                failed[number] = ERRNOS.get(answer.word, errno.EIO)

        self._link.ask("d", found, *self.place(record.path))

    def place(self, path: bytes) -> Place:
        """Where an entry of the tree is."""
        folder, _, name = path.rpartition(b"/")
        root = self._root_of(path)
        above = os.path.dirname(root.rstrip(b"/")) or b"/"
        beyond = (folder or b"/")[len(above) :].strip(b"/")
        real = self._real[above].rstrip(b"/") + (b"/" + beyond if beyond else b"")
        return Place(folder or b"/", real or b"/", name or b".")

    def _root_of(self, path: bytes) -> bytes:
        for root in (self._root, *self._roots):
            if _lies_in(path, root):
                return root
        raise BadAnswer(f"a path that was not asked for: {path[:80]!r}")

    def _tell(self, path: bytes, st: Stat, target: bytes, failed: int) -> None:
        while not _lies_in(path, self._root):
            self._next_root(path)
        depth, name = 0, path.strip(b"/") or b"."
        if path != self._root:
            beyond = path[len(self._root.rstrip(b"/")) + 1 :]
            depth, name = beyond.count(b"/") + 1, os.path.basename(path)
        if why := self._no_place(depth, path):
            if len(self.lost) <= MAX_TOLD:
                self.lost.append((path, why))
            return
        if failed:
            self.trouble(OPEN_OP, failed, depth, name)
            return
        if stat.S_ISSOCK(st.st_mode):
            return  # borg saves none
        more = extra(b"l", b"", target) if stat.S_ISLNK(st.st_mode) else b""
        if stat.S_ISDIR(st.st_mode):
            self._open.append(path)
        number = self.entry(depth, path, name, self.packed(st), more)
        if stat.S_ISREG(st.st_mode):
            self.files[number] = self.place(path), st

    def _no_place(self, depth: int, path: bytes) -> str:
        """Why an entry cannot be told; "" if it can be.

        It is told by its depth and name, so the other side puts it into the folder that was told
        last at that depth. find has seen the names first, and each stat(1) comes later. A folder
        that was replaced meanwhile may have no record, or that of a symlink, while those of its
        names come.
        """
        del self._open[depth:]
        if depth > MAX_DEPTH or len(path) > MAX_PATH:
            return "it is too deep for stream"
        above = path.rpartition(b"/")[0]
        if depth == 0 or (len(self._open) == depth and self._open[-1].rstrip(b"/") == above):
            return ""
        return "its folder was replaced meanwhile"

    def _next_root(self, path: bytes) -> None:
        if not self._roots:
            raise BadAnswer(f"a path that was not asked for: {path[:80]!r}")
        self._root = self._roots.popleft()
        if not _lies_in(path, self._root):
            self._no_root()

    def _no_root(self) -> None:
        self.trouble(OPEN_OP, errno.ENOENT, 0, self._root.strip(b"/") or b".")

    def packed(self, st: Stat) -> bytes:
        self.owner(st.st_uid, st.st_gid)
        return STAT.pack(*st)

    def end(self) -> None:
        while self._roots:
            self._root = self._roots.popleft()
            self._no_root()
        super().end()


def _lies_in(path: bytes, root: bytes) -> bool:
    return bool(root) and (path == root or path.startswith(root.rstrip(b"/") + b"/"))
