"""An archive's manifest, made into what the guard compares."""

from __future__ import annotations

import stat
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from itertools import chain

from borgpull.borg.inside.manifest import FURTHER, HARD, PACKS
from borgpull.borg.inside.reads import Read
from borgpull.borg.inside.records import Record
from borgpull.guard.sketch import (
    BUCKETS,
    FOLDER,
    HASH,
    MOUNT,
    NO_STEM,
    SPARE,
    SUMMED,
    Sketch,
    bucket,
)
from borgpull.guard.spare import packed_name, spare_folder

# A folder near the root: it lies in at most so many others.
NEAR = 1
MAX_EMPTY = 100_000  # folders without a file in them, whose paths are in memory
_KIND = stat.S_IFMT(0o177777)
_MIX = 0x9E3779B97F4A7C15  # spreads times over all 64 bits


@dataclass
class Seen:
    """An archive."""

    sums: bool = True  # False: of no content
    sketch: Sketch = field(default_factory=Sketch)
    entries: int = 0  # of the manifest that were looked at
    files: int = 0  # that are not spare
    size: int = 0  # bytes of these
    # By the hash of their path: folders without a file in them, and whether they are near the root.
    empty: dict[bytes, tuple[str, bool]] = field(default_factory=dict)
    # Of the paths whose content was read: those that are hard to compress, with their stems (as in
    # a sketch), and those that are not.
    hard: dict[bytes, bytes] = field(default_factory=dict)
    soft: set[bytes] = field(default_factory=set)

    def recall(self, earlier: Sketch) -> None:
        """What an earlier run has read, and this one has not, is still as hard to compress."""
        for path, stem in earlier.known_hard():
            if path not in self.soft:
                self.hard.setdefault(path, stem)

    def read_by_bucket(self) -> list[list[bytes]]:
        """The paths whose content was read, and is not tiny, by their buckets in a sketch."""
        found: list[list[bytes]] = [[] for _ in range(BUCKETS)]
        for path in chain(self.hard, self.soft):
            found[bucket(path)].append(path)
        return found


class _Folder:
    __slots__ = ("bytes", "device", "files", "flags", "near", "path")

    def __init__(self, path: str, device: int, flags: int, *, near: bool) -> None:
        self.path, self.device, self.flags, self.near = path, device, flags, near
        self.files = self.bytes = 0


class Look:
    """Goes through the records of a manifest, which are depth first."""

    def __init__(self, key: bytes, *, sums: bool = True) -> None:
        """`key` is the server's own: a client must not foresee a hash.

        Without `sums`, a content is known by its time and size. A file that was moved, or has
        another mode, would lose a sum that only some files have, and seem to be another one.
        """
        self._hash = blake2b(digest_size=HASH, key=key).copy
        self._open: list[_Folder] = []
        self.seen = Seen(sums=sums)
        self.grown = 0  # bytes of all files, spare ones too, by `again`

    def take(self, records: Iterable[Record]) -> Seen:
        """Raises BadManifest, by the records."""
        opened = self._open
        count = 0
        for record in records:
            count += 1
            if len(opened) > record.depth:
                self._leave(record.depth)
            kind = record.st.st_mode & _KIND
            if kind == stat.S_IFREG:
                if not record.flags & FURTHER:
                    self._file(record)
            elif kind == stat.S_IFDIR:
                self._folder(record)
        self._leave(0)
        self.seen.entries = count
        return self.seen

    def _of(self, path: str) -> bytes:
        found = self._hash()
        found.update(path.encode("utf-8", "surrogateescape"))
        return found.digest()

    def _folder(self, record: Record) -> None:
        path, above = record.path, self._open[-1] if self._open else None
        flags = SPARE if (above and above.flags & SPARE) or spare_folder(path) else 0
        device = record.st.st_dev
        if above is not None and above.device != device:
            flags |= MOUNT
        near = record.depth == 0 or path.count("/") <= NEAR  # a named path counts as near
        self._open.append(_Folder(path, device, flags, near=near))

    def _leave(self, depth: int) -> None:
        """Close the folders that an entry of this depth is not in."""
        while len(self._open) > depth:
            folder = self._open.pop()
            if self._open:
                self._open[-1].files += folder.files
                self._open[-1].bytes += folder.bytes
            path = self._of(folder.path)
            if not folder.files and len(self.seen.empty) < MAX_EMPTY:
                self.seen.empty[path] = (folder.path, folder.near)
            self.seen.sketch.add(path, folder.files, folder.bytes, folder.flags | FOLDER)

    def _file(self, record: Record) -> None:
        name, _, st, _, packs, found, _ = record
        size, seen, spare = st.st_size, self.seen, 0
        if self._open:
            folder = self._open[-1]
            folder.files += 1
            folder.bytes += size
            spare = folder.flags & SPARE
        found = found if seen.sums else None
        content, flags = _content(found, st.st_mtime_ns, size, spare)
        path = self._of(name)
        seen.sketch.add(path, content, size, flags)
        if not spare:
            seen.files += 1
            seen.size += size
            if packs:
                self._packs(name, path, packs)

    def _packs(self, name: str, path: bytes, flags: int) -> None:
        """Note whether a file is hard to compress. `path` is the hash of its name."""
        if flags & HARD:
            if packed_name(name):
                self.seen.hard[path] = NO_STEM
            else:
                first = stem(name)
                self.seen.hard[path] = path if first == name else self._of(first)
        elif flags & PACKS:
            self.seen.soft.add(path)

    def again(self, before: Sketch, reads: Iterable[Read], empty: Sequence[str]) -> Seen | None:
        """An archive that differs from the one before it in these files only: their paths are in
        both. None if that is not so. `empty` are its folders near the root without a file.

        Only by how much the number of bytes has grown is known.
        """
        seen = self.seen
        seen.sketch = before.copy()
        seen.empty = {self._of(folder): (folder, True) for folder in empty}
        for name, size, mtime_ns, digits, packs in reads:
            path = self._of(name)
            place = seen.sketch.find(path)
            if place is None or place.row.flags & FOLDER:
                return None
            old = place.row
            found = None if digits is None else bytes.fromhex(digits)
            content, flags = _content(found, mtime_ns, size, old.flags & SPARE)
            place.put(content, size, flags)
            self.grown += size - old.size
            if not flags & SPARE:
                seen.size += size - old.size
                self._packs(name, path, packs)
            if size != old.size:
                self._grow_folders(name, size - old.size)
        return seen

    def _grow_folders(self, name: str, size: int) -> None:
        while name and name != ".":
            name = name.rpartition("/")[0] or "."
            path = self._of(name)
            place = self.seen.sketch.find(path)
            if place is not None and place.row.flags & FOLDER:
                row = place.row
                place.put(row.content, row.size + size, row.flags)


def stem(path: str) -> str:
    """A path without its last suffix, as pathlib has it. This is done for each new file."""
    dot, name = path.rfind("."), path.rfind("/") + 1
    return path[:dot] if name < dot < len(path) - 1 else path


def _content(found: bytes | None, mtime_ns: int, size: int, flags: int) -> tuple[int, int]:
    """What a sketch has of a content, and its flags. `found` is its sum."""
    if found is not None:
        return int.from_bytes(found[:HASH], "little"), flags | SUMMED
    return mtime_ns * _MIX + size, flags
