"""Which chunks a file may still have, though the files cache does not know it: it was moved, or got
another owner, or is a large one that has changed in part. The client is asked for what differs.

A guess costs little, and decides nothing: the client compares it with the file.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from itertools import chain, islice
from pathlib import Path
from typing import Any

from borgpull.borg.inside import blocks, sums, wire
from borgpull.borg.inside.blocks import Blocks
from borgpull.borg.inside.channel import Channel
from borgpull.borg.inside.slots import Slot
from borgpull.borg.inside.sums import Sums

# The newest files of the last run, in borg's cache folder: the files cache forgets them.
NEWEST, MAX_NEWEST = "borgpull-newest", 10_000
_BATCH = 1000  # entries of the files cache that are unpacked at once
# In an entry of borg's files cache (borg 1.4.5, cache.py, FileCacheEntry).
_INODE, _SIZE, _IDS = 1, 2, 4


class Known:
    """The contents that borg's caches and our sums know."""

    def __init__(self, cache: Any) -> None:
        folder = Path(cache.path)
        self.sums = Sums(folder / sums.NAME)
        self.listing = folder / blocks.NAME
        self.blocks = Blocks(self.listing)
        self._cache = cache
        self._newest_file = folder / NEWEST
        self._forgotten = _read(self._newest_file)
        self._newest: list[bytes] = []  # hashes of this run's paths with the newest time
        self.time = 0  # the newest one
        self._inodes: dict[int, bytes] | None = None  # hashes of paths

    def base(self, slot: Slot) -> list[bytes]:
        """The chunks of what a file was, by its path or by its inode; none if nothing is known."""
        st = slot.st
        if not st.st_size:
            return []
        own = self._entry(slot.hash)
        if own is not None and (own[_SIZE] == st.st_size or st.st_size > wire.SMALL):
            return list(own[_IDS])
        if self._inodes is None:
            self._inodes = dict(self._all_inodes())
        other = self._entry(self._inodes.get(_mixed(st.st_ino, st.st_size), b""))
        if other is None or (other[_INODE], other[_SIZE]) != (st.st_ino, st.st_size):
            return []
        return list(other[_IDS])

    def nothing(self, path_hash: bytes, inode: int, size: int) -> bool:
        """Has a file no base, whose path is not in the files cache?"""
        if not size:
            return True
        if path_hash in self._forgotten:
            return False
        if self._inodes is None:
            self._inodes = dict(self._all_inodes())
        return _mixed(inode, size) not in self._inodes

    def _entry(self, path_hash: bytes) -> Any:
        from borg.helpers import msgpack  # type: ignore[import-not-found]

        found = self._cache.files.get(path_hash) or self._forgotten.get(path_hash)
        return None if found is None else msgpack.unpackb(found)

    def _all_inodes(self) -> Iterator[tuple[int, bytes]]:
        """Of the files cache. It is read once, and only if a path is new."""
        from borg.helpers import msgpack

        rest = chain(self._forgotten.items(), self._cache.files.items())
        while batch := list(islice(rest, _BATCH)):
            unpacker = msgpack.Unpacker(use_list=True)
            unpacker.feed(b"".join(entry for _, entry in batch))
            for (path_hash, _), entry in zip(batch, unpacker, strict=True):
                yield _mixed(entry[_INODE], entry[_SIZE]), path_hash

    def compare(self, channel: Channel, slot: Slot) -> bool:
        """Ask for what differs from its base, if that is still there."""
        pieces = self.pieces(slot.base)
        if pieces:
            channel.compare(slot.number, [piece[1:] for piece in pieces])
        else:
            slot.base = []
        return bool(pieces)

    def pieces(self, ids: Iterable[bytes]) -> list[tuple[bytes, int, bytes]]:
        """Id, size and sum of each chunk; none if one is lost, or if its sum is not known."""
        found: list[tuple[bytes, int, bytes]] = []
        for key in ids:
            entry, known = self._cache.chunks.get(key), self.sums.get(key)
            if entry is None or known is None or len(found) == wire.MAX_PIECES:
                return []
            if not entry.refcount or not 0 < entry.size <= wire.MAX_PIECE:
                return []
            found.append((key, entry.size, known))
        return found

    def memorized(self, slot: Slot) -> None:
        """The files cache has got it. At the end, it forgets the newest ones."""
        if slot.st.st_ctime_ns > self.time:
            self.time, self._newest = slot.st.st_ctime_ns, []
        if slot.st.st_ctime_ns == self.time and len(self._newest) < MAX_NEWEST:
            self._newest.append(slot.hash)

    def save(self) -> None:
        """Remember what was learned. It may fail: then it is learned once more."""
        from borg.helpers import msgpack

        with contextlib.suppress(OSError):
            self.sums.save(lambda key: key in self._cache.chunks, len(self._cache.chunks))
            if self._newest:
                files = self._cache.files
                found = {key: files[key] for key in self._newest if key in files}
                fresh = self._newest_file.with_name(f"{NEWEST}.new")
                fresh.write_bytes(msgpack.packb(found))
                fresh.replace(self._newest_file)


def _read(path: Path) -> dict[bytes, bytes]:
    """Entries of the files cache that borg has forgotten; none if the file is no good."""
    from borg.helpers import msgpack

    try:
        found = msgpack.unpackb(path.read_bytes())
    except (OSError, ValueError, msgpack.UnpackException):
        return {}
    return found if isinstance(found, dict) else {}


def _mixed(inode: int, size: int) -> int:
    """One number for both. Another file's may be the same: whoever finds it compares both."""
    return hash((inode, size))
