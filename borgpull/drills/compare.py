"""The restored tree, compared with the manifest: metadata of all, content of what was restored."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from borgpull import capabilities
from borgpull.drills.findings import Difference, Found, add
from borgpull.drills.listing import as_exact, stored
from borgpull.drills.lost import explained
from borgpull.drills.tree import Seen, Tree
from borgpull.trees.folders import with_ways
from borgpull.trees.item import Item
from borgpull.trees.losses import KINDS as LOSSES
from borgpull.trees.manifest import Entry

CAPABILITY = b"security.capability"
# Of these the kernel lets only an administrator of the machine set any (xattr(7)).
_ADMIN = (b"trusted.", b"security.")
_SPOILT = {"xattrs", "acls"}  # a file that has lost them is none for the control
CANDIDATES = 64  # proved files that the control may spoil


class Comparison:
    """Goes through the entries of a manifest, once."""

    def __init__(
        self,
        tree: Tree,
        found: Found,
        *,
        wanted: Callable[[Item], bool] = lambda item: True,
        lost: Collection[str] = frozenset(),
        blind: Collection[str] = (),
        was_read: Callable[[os.stat_result, str], bool] = lambda st, sha256: False,
    ) -> None:
        """`wanted` says which regular files were to be restored, `lost` the losses of the way of
        restoring (trees/losses.py). To the kinds in `blind` it does not look: a test of the
        control needs that. `was_read` says whether a file was read and had this sum, and nothing
        has touched it since."""
        self.tree, self.found, self._wanted = tree, found, wanted
        self._lost, self._blind = frozenset(lost), frozenset(blind)
        self._was_read = was_read
        self._admin = capabilities.has(capabilities.SYS_ADMIN)
        self._inodes: dict[str, tuple[int, int]] = {}  # of hard links, by their first names
        self._owners: dict[tuple[int, int], str] = {}
        self.there = Names()
        self.candidates: list[Entry] = []

    def run(self, entries: Iterable[Entry], proves: Callable[[Entry], None]) -> None:
        """`proves` gets each file whose content is proved. Raises OSError."""
        for entry in entries:
            self._entry(entry, proves)

    def _entry(self, entry: Entry, proves: Callable[[Entry], None]) -> None:
        item, found = entry.item, self.found
        if item.path in ("", "."):  # the scratch folder itself stands for it
            return
        if item.regular and not self._wanted(item):
            if self.tree.look(item.path) is not None:
                self.there.add(item.path)
            return
        seen = self.tree.look(item.path)
        first = item.regular and item.first_name
        if first:
            add(found.restored, item.size)
        if seen is not None:
            self.there.add(item.path)
        if item.flags:
            found.notes["flags of chattr(1) are compared in the archive's listing only"] += 1
        bad = False
        for difference in self.differences(entry, seen):
            found.differs(item.path, difference)
            bad = True
        if bad or seen is None:
            return
        if not first:
            if entry.loose:  # it was compared by its name only
                add(found.unproved, 0)
                found.why["changed"] += 1
            return
        if not entry.sure or entry.sha256 is None:
            add(found.unproved, item.size)
            found.why["not hashed" if entry.sure else "changed"] += 1
            return
        add(found.proved, item.size)
        proves(entry)
        self._candidate(entry)

    def _candidate(self, entry: Entry) -> None:
        """An empty file is one if no other is there. A file with flags may not be changed."""
        known, item = self.candidates, entry.item
        if item.flags or any(LOSSES[loss](item) for loss in self._lost & _SPOILT):
            return
        if item.size and known and not known[0].item.size:
            known.clear()
        if len(known) < CANDIDATES and (item.size or not known):
            known.append(entry)

    def differences(self, entry: Entry, seen: Seen | None) -> Iterator[Difference]:
        """What of an entry is not as the client had it. Raises OSError."""
        for difference in self._all(entry, seen):
            if difference[0] in self._blind:
                continue
            if not self._lost or not explained(self._lost, entry.item, difference):
                yield difference

    def _all(self, entry: Entry, seen: Seen | None) -> Iterator[Difference]:
        item = entry.item
        if seen is None:
            yield "missing", item.mode, "nothing"
            return
        if entry.loose:
            return
        mode = stat.filemode(seen.st.st_mode)
        if mode[0] != item.mode[0]:
            yield "type", item.mode, mode
            return
        yield from _metadata(entry, seen, mode)
        yield from self._attributes(entry, seen)
        yield from self._links(item, seen)
        if item.regular and entry.sha256 is not None and entry.sure:
            if self._was_read(seen.st, entry.sha256):
                return
            sum_ = self.tree.sha256(item.path)
            if sum_ != entry.sha256:
                yield "content", f"sha256 {entry.sha256}", f"sha256 {sum_}"

    def _attributes(self, entry: Entry, seen: Seen) -> Iterator[Difference]:
        access, default = entry.access, entry.default
        known = access is not None and default is not None
        if known and (access, default) != (seen.access, seen.default):
            yield "acl", (access or b"") + (default or b""), seen.access + seen.default
        xattrs = entry.xattrs
        if xattrs is None or xattrs == seen.xattrs:
            return
        for name in sorted({*xattrs, *seen.xattrs}):
            had, has = xattrs.get(name), seen.xattrs.get(name)
            if had == has:
                continue
            if name == CAPABILITY:
                yield "capability", had or "none", has or "none"
            elif name.startswith(_ADMIN) and not self._admin:
                self.found.notes[f"{name.decode(errors='replace')} is not restored here"] += 1
            else:
                text = name.decode(errors="replace")
                yield "xattr", f"{text}={_value(had)}", f"{text}={_value(has)}"

    def _links(self, item: Item, seen: Seen) -> Iterator[Difference]:
        if item.folder or item.links is None:
            return
        inode = (seen.st.st_dev, seen.st.st_ino)
        if not item.links:
            if seen.st.st_nlink != 1:
                yield "hard link", "a file of its own", f"one of {seen.st.st_nlink} names"
            return
        first = self._inodes.setdefault(item.links, inode)
        owner = self._owners.setdefault(inode, item.links)
        if first != inode:
            yield "hard link", f"a name of /{item.links}", "a file of its own"
        elif owner != item.links:
            yield "hard link", f"a name of /{item.links}", f"a name of /{owner}"

    def strangers(self, paths: Callable[[], Iterable[str]], *, most: int = 10_000) -> None:
        """Find names that are none of `paths`, and names that became one. Raises OSError."""
        if "extra" in self._blind:
            return
        there = Names()
        for path in self.tree.paths():
            there.add(path)
        if there == self.there:
            return
        # Folders above the paths that were saved are made by the restore.
        known = {hash(path) for path in with_ways(paths())}
        on_disk = set()
        for path in self.tree.paths():
            on_disk.add(hash(path))
            if hash(path) not in known and self.found.kinds["extra"] < most:
                self.found.differs(path, ("extra", "nothing", "an entry"))
        for path in paths():
            if path in ("", ".") or hash(path) in on_disk:
                continue
            if self.tree.look(path) is not None:
                text = "another name stands for it, too"
                self.found.differs(path, ("name clash", "a name of its own", text))


@dataclass
class Names:
    """A set of names in little memory: two are equal if their names are, in whatever order.

    A number alone would not do: a stranger may stand for a name that became another one.
    """

    number: int = 0
    sum: int = 0

    def add(self, path: str) -> None:
        self.number += 1
        self.sum += hash(path)  # of a key that each process has for itself


def _metadata(entry: Entry, seen: Seen, mode: str) -> Iterator[Difference]:
    item, st = entry.item, seen.st
    if item.kind != "l" and mode != item.mode:
        yield "mode", item.mode, mode
    if (st.st_uid, st.st_gid) != (item.uid, item.gid):
        yield "owner", f"{item.uid}:{item.gid}", f"{st.st_uid}:{st.st_gid}"
    if item.kind == "l" and seen.target != item.target:
        yield "target", item.target, seen.target
    if item.kind in "bc" and entry.rdev is not None and st.st_rdev != entry.rdev:
        yield "device", entry.rdev, st.st_rdev
    if not entry.sure:
        return
    if item.regular and st.st_size != item.size:
        yield "size", item.size, st.st_size
    if as_exact(entry, st.st_mtime_ns) != stored(item.mtime_ns):
        yield "time", stored(item.mtime_ns), st.st_mtime_ns


def _value(value: bytes | None) -> Any:
    return "nothing" if value is None else value.hex()
