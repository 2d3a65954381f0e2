"""The listing of a client's tree by SFTP, as the engine takes it: depth first."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Sequence

from borgpull.client.scripts.stream_list import MAX_DEPTH, OPEN_OP, SCAN_OP
from borgpull.client.scripts.stream_look import STAT, Output, extra
from borgpull.jail.wanted import Known
from borgpull.readers.sftp.folders import ROOM, Entry, Folder, Folders, label
from borgpull.readers.sftp.link import Link
from borgpull.readers.sftp.packets import Attrs
from borgpull.readers.telling import Names, Telling

# OpenSSH's sftp-server names an entry by its whole path, in 4,096 bytes with a NUL. It leaves out
# what does not fit.
LONGEST_PATH, LONGEST_NAME = 4095, 255


class Tree(Telling[Entry]):
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
        super().__init__(out, names)
        self._folders = Folders(link, bars)
        top = Folder(None, b"", b"")
        top.ended = True
        self._stack = [top]
        self.ended = False
        self.known = Known()  # all names that were listed
        self.deep: list[str] = []  # folders in which SFTP cannot name all
        top.entries.extend(map(self._folders.root, roots))

    def step(self) -> None:
        """Tell as much as is known and may be told, and ask for what comes next."""
        while not self.ended and self.may_list and self._one():
            pass
        self.flush()
        self._folders.look_ahead()
        if not self._stack and not self.ended:
            self.ended = True
            self.end()

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
                self._folders.read_ahead += 1  # its turn has come, however many are being read
                self._folders.open(entry)
            return False
        folder.entries.popleft()
        if folder.handle and len(folder.entries) < ROOM // 2:
            self._folders.feed(folder)
        self._tell(entry)
        return True

    def _leave(self, folder: Folder) -> None:
        deep = len(folder.path) + 2 + LONGEST_NAME > LONGEST_PATH
        if folder.handle:
            self._folders.feed(folder)
        if deep:
            self.deep.append(os.fsdecode(folder.path.strip(b"/")))
        if folder.errno and not folder.pruned:
            name = os.path.basename(folder.path)
            self._trouble(
                SCAN_OP, folder.errno, name if len(self._stack) > 1 else label(folder.path)
            )
        self._folders.forget(folder)

    def _trouble(self, op: int, number: int, name: bytes) -> None:
        self.trouble(op, number, len(self._stack) - 1, name)

    def _tell(self, entry: Entry) -> None:
        if entry.folder is not None:
            self._folders.read_ahead -= 1
        self.known.add(os.fsdecode(entry.path.strip(b"/")) or ".")
        if entry.errno:
            self._trouble(OPEN_OP, entry.errno, entry.label)
            return
        if stat.S_ISSOCK(entry.attrs.mode):
            return  # borg saves none
        depth = len(self._stack) - 1
        more = extra(b"l", b"", entry.target) if entry.target else b""
        number = self.entry(depth, entry.path, entry.label, self.packed(entry.attrs), more)
        if stat.S_ISREG(entry.attrs.mode):
            self.files[number] = entry
        if entry.folder is not None:
            entry.folder.number = number
            self._stack.append(entry.folder)
            if depth >= MAX_DEPTH:
                entry.folder.errno, entry.folder.ended = errno.ENAMETOOLONG, True
                self._folders.forget(entry.folder)

    def packed(self, attrs: Attrs) -> bytes:
        """As the helper packs what stat(2) tells. SFTP has no ctime: the mtime stands for it."""
        self.owner(attrs.uid, attrs.gid)
        mtime = attrs.mtime * 10**9
        return STAT.pack(*(attrs.mode, attrs.uid, attrs.gid, 1, 0, 0, attrs.size, mtime, mtime, 0))

    def prune(self, number: int) -> None:
        """Leave a folder, if we are still in it."""
        found = [at for at, folder in enumerate(self._stack) if folder.number == number]
        for folder in self._stack[found[0] :] if found else []:
            folder.pruned = True
