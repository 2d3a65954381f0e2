"""The helper of `borgpull stream`, second part: the walk through the named paths."""

import errno
import os
import stat
import struct
import zlib

from borgpull.client.scripts.stream_look import (
    LIST,
    LISTED,
    TROUBLE,
    WAY,
    entry,
    look,
    out,
)

OPEN_OP, SCAN_OP = 0, 1  # what has failed, in a frame of TROUBLE
BATCH, BATCH_BYTES = 256, 512 << 10  # entries of one frame, and their paths and attributes
MAX_DEPTH, MAX_PATH = 400, 16 << 10


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


class Node:
    """A folder on the way to files; a root has a descriptor that stays open."""

    def __init__(self, above: "Node | None", name: bytes, path: bytes, handle: int) -> None:
        self.above, self.name, self.path, self.handle = above, name, path, handle


class Level:
    """A folder that is being listed."""

    def __init__(
        self, node: Node, handle: int, names: "list[tuple[bytes, bool]]", number: int
    ) -> None:
        """Each name comes with a True if it was a regular file's."""
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
        self.listed = self.weight = 0  # entries, and the bytes of their paths and attributes
        self.levels = []  # type: list[Level]
        self.rows = []  # type: list[bytes]

    def trouble(self, op: int, depth: int, name: bytes, error: OSError) -> None:
        self.flush()
        out.add(TROUBLE, struct.pack("<BiH", op, error.errno or 0, depth), name)

    def flush(self) -> None:
        if self.rows:
            out.add(LIST, zlib.compress(b"".join(self.rows), 1))
            self.rows = []

    def names(self, node: Node, handle: int) -> "list[tuple[bytes, bool]]":
        """Raises OSError."""
        if os.scandir in os.supports_fd:
            with os.scandir(handle) as found:
                rows = [(item.inode(), os.fsencode(item.name), is_plain(item)) for item in found]
        else:  # Python 3.6
            names = map(os.fsencode, os.listdir(handle))
            rows = [(inode(name, handle), name, False) for name in names]
        rows.sort(key=lambda row: row[0])
        bar = self.bars.get(node.path)
        if bar is None:
            return [row[1:] for row in rows]
        return [row[1:] for row in rows if (row[1] in bar) == (bar[0] is None)]

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

    def one(
        self, above: "Node | None", name: bytes, label: bytes, path: bytes, plain: bool = False
    ) -> None:
        """List a name of the current folder; `label` is what the other side is told."""
        depth = len(self.levels)
        try:
            st, more, handle = look(name, plain)
        except OSError as error:
            self.trouble(OPEN_OP, depth, label, error)
            return
        if stat.S_ISSOCK(st.st_mode):
            return  # borg saves none
        number, self.listed = self.listed, self.listed + 1
        self.weight += len(path) + len(more)
        self.rows.append(entry(depth, label, st, more))
        if stat.S_ISREG(st.st_mode):
            node = above or Node(None, b"", os.path.dirname(path), os.open(b".", WAY))
            files[number] = (node, name, st.st_ctime_ns, depth)
        if handle is not None:
            self.enter(Node(above, label if above is None else name, path, handle), handle, number)

    def step(self) -> bool:
        """List some more; is there more to list?"""
        most = self.weight + BATCH_BYTES
        for _ in range(BATCH):
            if self.weight > most:
                break
            while self.levels and (self.levels[-1].pruned or not self.levels[-1].names):
                self.leave()
            if self.levels:
                node = self.levels[-1].node
                name, plain = self.levels[-1].names.pop()
                self.one(node, name, name, node.path.rstrip(b"/") + b"/" + name, plain)
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
