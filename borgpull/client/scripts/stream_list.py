"""The helper of `borgpull stream`: the walk through the named paths."""

import errno
import os
import stat
import struct
import zlib
from operator import itemgetter

from borgpull.client.scripts.stream_brief import Brief
from borgpull.client.scripts.stream_look import (
    CLOSED,
    CODING,
    LIST,
    LISTED,
    NOATIME,
    PLAIN,
    TROUBLE,
    WAY,
    entry,
    inode,
    is_plain,
    look,
    out,
    regular,
)
from borgpull.client.scripts.stream_tags import CACHE_TAG, cache, there

# In a frame of TROUBLE: what has failed; or why a folder is left out.
OPEN_OP, SCAN_OP, TAG_OP, MOUNT_OP = range(4)
BATCH, BATCH_BYTES = 256, 512 << 10  # entries of one frame, and their paths and attributes
MAX_DEPTH, MAX_PATH = 400, 16 << 10


class Node:
    """A folder on the way to files; a root has a descriptor that stays open."""

    def __init__(self, above: "Node | None", name: bytes, path: bytes, handle: int) -> None:
        self.above, self.name, self.path, self.handle = above, name, path, handle


class Level:
    """A folder that is being listed."""

    def __init__(
        self,
        node: Node,
        handle: int,
        names: "list[tuple[bytes, bool]]",
        number: int,
        device: int,
    ) -> None:
        """Each name comes with a True if it was a regular file's."""
        self.node, self.handle, self.names, self.number = node, handle, names, number
        self.device = device
        self.pruned = False


# By the number of an entry: the folder that it is in, its name, its ctime, and its depth. The ctime
# is None if its attributes were not looked at.
files = {}  # type: dict[int, tuple[Node, bytes, int | None, int]]


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
        skips = dict(plan.get("skips") or {})  # type: ignore[call-overload]
        self.caches = bool(skips.get("caches"))
        self.tags = [bytes.fromhex(name) for name in skips.get("tags", [])]
        # A path would lead out of its folder, and a key may be limited to some paths.
        if any(b"/" in tag or tag in (b"", b".", b"..") for tag in self.tags):
            raise SystemExit(4)
        self.keep_tags = bool(skips.get("keep_tags"))
        # The named paths, if no other file system than theirs is wanted.
        named = skips.get("one_file_system")
        self.only_in = None if named is None else {bytes.fromhex(path) for path in named}
        self.brief = Brief()
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
                items = [(item.inode(), item.name, is_plain(item)) for item in found]
            items.sort(key=itemgetter(0))
            texts = "\0".join([item[1] for item in items]).encode(*CODING).split(b"\0")
            plain = [item[2] for item in items]
            return list(zip(texts, plain)) if items else []  # noqa: B905 - Python 3.10 knows it
        # Python 3.6
        rows = sorted((inode(name, handle), name) for name in map(os.fsencode, os.listdir(handle)))
        return [(name, False) for _, name in rows]

    def free(self, node: Node, names: "list[tuple[bytes, bool]]") -> "list[tuple[bytes, bool]]":
        """The names that are not left out."""
        bar = self.bars.get(node.path)
        if bar is None:
            return names
        return [pair for pair in names if (pair[0] in bar) == (bar[0] is None)]

    def enter(
        self, node: Node, handle: int, number: int, device: int, only: "list[bytes] | None"
    ) -> None:
        """Go into a folder; `only` are the names in it that are wanted, if not all are."""
        depth = len(self.levels)
        try:
            os.fchdir(handle)  # the user may be allowed to list it, but not to look into it
            if depth >= MAX_DEPTH or len(node.path) > MAX_PATH:
                raise OSError(errno.ENAMETOOLONG, "too deep")
            names = self.names(node, handle) if only is None else [(name, False) for name in only]
            names = self.free(node, names)
        except OSError as error:
            self.trouble(SCAN_OP, depth, node.name, error)
            names = []
        names.reverse()
        self.levels.append(Level(node, handle, names, number, device))

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
        only = None
        if handle is not None:
            foreign = self.foreign(path, st.st_dev)
            tags = [] if foreign else self.found_tags(handle)
            if foreign or tags:
                self.skip(MOUNT_OP if foreign else TAG_OP, depth, label)
                only = tags
            if tags and not self.keep_tags:
                os.close(handle)
                return
        number, self.listed = self.listed, self.listed + 1
        self.weight += len(path) + len(more)
        self.rows.append(entry(depth, label, st, more))
        if stat.S_ISREG(st.st_mode):
            node = above or Node(None, b"", os.path.dirname(path), os.open(b".", WAY))
            # Nobody knows the flags of one that could not be opened. An xattr may look like that.
            files[number] = node, name, None if CLOSED in more else st.st_ctime_ns, depth
        if handle is not None:
            node = Node(above, label if above is None else name, path, handle)
            self.enter(node, handle, number, st.st_dev, only)

    def plain(self, level: Level, count: int, most: int) -> int:
        """List regular files that come next in a folder: how many. An unusual one ends it.

        It lists `count` files at most, and about as many bytes as `most` has. Nearly all files are
        such. So `one` is here once more, without what they do not need.
        """
        node, names, number = level.node, level.names, self.listed
        depth, above = len(self.levels), len(node.path) + 1
        append, last = self.rows.append, number + count
        while names and names[-1][1] and number < last and self.weight <= most:
            name = names[-1][0]
            try:
                handle = os.open(name, PLAIN | NOATIME)
                st, more = regular(handle)
            except OSError:
                break  # `one` looks at it in another way
            if more is None:
                break
            names.pop()
            self.weight += above + len(name) + len(more)
            append(entry(depth, name, st, more))
            files[number] = node, name, st.st_ctime_ns, depth
            number += 1
        found, self.listed = number - self.listed, number
        return found

    def briefly(self, level: Level, count: int, most: int) -> int:
        """As `plain`, of files that are not opened."""
        node, names, depth = level.node, level.names, len(self.levels)
        left, above = most - self.weight, len(node.path) + 1
        rows, weight = self.brief.rows(names, count, left, depth, above)
        if rows:
            known = [(node, pair[0], None, depth) for pair in names[: -len(rows) - 1 : -1]]
            files.update(enumerate(known, self.listed))
            del names[-len(rows) :]
            self.rows += rows
            self.listed += len(rows)
            self.weight += weight
        return len(rows)

    def foreign(self, path: bytes, device: int) -> bool:
        """Is a folder another file system, which is not wanted? A named path always is."""
        if self.only_in is None or not self.levels or path in self.only_in:
            return False
        return device != self.levels[-1].device

    def found_tags(self, folder: int) -> "list[bytes]":
        """The tags in a folder, in borg's order (helpers/fs.py, dir_is_tagged)."""
        found = [CACHE_TAG] if self.caches and cache(folder) else []
        return found + [tag for tag in self.tags if tag not in found and there(tag, folder)]

    def skip(self, op: int, depth: int, label: bytes) -> None:
        """Tell that a folder is left out, or what is in it."""
        self.flush()
        out.add(TROUBLE, struct.pack("<BiH", op, 0, depth), label)

    def step(self) -> bool:
        """List some more; is there more to list?"""
        most, left = self.weight + BATCH_BYTES, BATCH
        while left > 0 and self.weight <= most:
            while self.levels and (self.levels[-1].pruned or not self.levels[-1].names):
                self.leave()
            left -= 1
            if self.levels:
                level = self.levels[-1]
                count = self.briefly(level, left + 1, most) if self.brief.since else 0
                count = count or self.plain(level, 1 if self.brief.since else left + 1, most)
                if count:
                    left -= count - 1
                    continue
                node = level.node
                name, plain = level.names.pop()
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
