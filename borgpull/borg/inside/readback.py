"""Some of what a run has written is read back before the archive gets its name: it is decrypted,
unpacked, and compared with its id, which is a hash of the content.

borg itself never does so, and `borg check` reads only what is encrypted, unless it is asked for
more. A damaged memory, disk or program would be found at the first restore.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

# So much is read back of each run that has so much, however small its share is.
CHUNKS, BYTES = 256, 4 << 20
READ_BACK_LINE = "borgpull_read_back"
_MANIFEST = bytes(32)  # borg's list of archives has no hash for its id
_ALL = b"\xff" * 33  # above each id


class WrittenDamaged(Exception):
    """What was just written cannot be read, or is another content."""


@dataclass
class ReadBack:
    """What a run has read back, of the chunks that were new in it."""

    chunks: int = 0
    bytes: int = 0
    new: int = 0


class Sampled:
    """The chunks that are put into a repository, and a fair sample of them.

    An id is a keyed hash, so that those below a bound are a sample of all. The bound is lowered as
    the chunks become more.
    """

    def __init__(self, share: int) -> None:
        """One of `share` chunks, and so much of the bytes, is enough."""
        self._share = share
        self._clear()

    def _clear(self) -> None:
        self._bound, self._kept = _ALL, dict[bytes, int]()
        self.count = self._bytes = self._kept_bytes = 0

    def note(self, chunk_id: bytes, size: int) -> None:
        if chunk_id == _MANIFEST:
            return
        self.count += 1
        self._bytes += size
        if chunk_id < self._bound:
            self._keep(chunk_id, size)

    def note_all(self, entries: Iterable[tuple[bytes, int, int]]) -> None:
        """As `note`, of files' chunks: id, size, and bytes in the repository."""
        bound = self._bound
        for chunk_id, _, size in entries:
            self.count += 1
            self._bytes += size
            if chunk_id < bound:
                self._keep(chunk_id, size)
                bound = self._bound

    def _keep(self, chunk_id: bytes, size: int) -> None:
        self._kept[chunk_id] = size
        self._kept_bytes += size
        while self._too_many():
            self._halve()

    def _too_many(self) -> bool:
        chunks = max(CHUNKS, self.count // self._share)
        size = max(BYTES, self._bytes // self._share)
        return len(self._kept) > 1 and (len(self._kept) > 2 * chunks or self._kept_bytes > 2 * size)

    def _halve(self) -> None:
        ids = sorted(self._kept)
        self._bound = ids[len(ids) // 2]
        for chunk_id in ids[len(ids) // 2 :]:
            self._kept_bytes -= self._kept.pop(chunk_id)

    def take(self) -> list[bytes]:
        """The sample; what comes after belongs to the next one."""
        found = list(self._kept)
        self._clear()
        return found


class Reader:
    """Notes what is put into the repository, and reads it back before it counts.

    It does so before each checkpoint, too: later runs take the chunks of one as they are.
    """

    def __init__(self, archive: Any, share: int) -> None:
        """`archive` is borg's new one. One chunk of `share` is read."""
        self._repository, self._key = archive.repository, archive.key
        self._cache, self.sampled = archive.cache, Sampled(share)
        self.stock_put, self._checkpoint = self._repository.put, archive.write_checkpoint
        self.told = ReadBack()
        self._repository.put, archive.write_checkpoint = self.put, self._write_checkpoint

    def put(self, chunk_id: bytes, data: bytes, wait: bool = True) -> Any:
        self.sampled.note(chunk_id, len(data))
        return self.stock_put(chunk_id, data, wait=wait)

    def _write_checkpoint(self) -> None:
        self.look()
        self._checkpoint()

    def look(self) -> None:
        """Raises WrittenDamaged, and borg's errors of a repository."""
        self.told.new += self.sampled.count
        with _synced(self._repository), _same_nonces(self._key):
            for chunk_id in self.sampled.take():
                if chunk_id in self._cache.chunks:  # a file that failed leaves none
                    self.told.bytes += len(self._read(chunk_id))
                    self.told.chunks += 1

    def _read(self, chunk_id: bytes) -> bytes:
        from borg.crypto import low_level  # type: ignore[import-not-found]
        from borg.repository import Repository  # type: ignore[import-not-found]

        # The decryption's own error is above borg's usual one, and is none of its command line's.
        damaged = (low_level.IntegrityError, Repository.ObjectNotFound, ValueError)
        try:
            found: bytes = self._key.decrypt(chunk_id, self._repository.get(chunk_id))
        except damaged as error:
            text = f"a chunk that was just written is damaged, so nothing is saved: {error}"
            raise WrittenDamaged(text) from None
        return found


def reader_of(repository: Any) -> Reader | None:
    """Who notes what is put into the repository."""
    found = getattr(repository.put, "__self__", None)
    return found if isinstance(found, Reader) else None


@contextlib.contextmanager
def _same_nonces(key: Any) -> Iterator[None]:
    """borg's decryption leaves the cipher at the nonces that follow the chunk.

    borg 1.4.5, crypto/low_level.pyx, AES256_CTR_BASE. What is encrypted next would take them, and
    another chunk has them already. Without encryption there is no cipher.
    """
    cipher = getattr(key, "cipher", None)
    if cipher is None:
        yield
        return
    following = cipher.next_iv()
    try:
        yield
    finally:
        cipher.set_iv(following)


@contextlib.contextmanager
def _synced(repository: Any) -> Iterator[None]:
    """borg syncs the segment that it writes before each reading of it; once is enough.

    borg 1.4.5, repository.py, LoggedIO.read. A repository behind ssh does so there.
    """
    io = getattr(repository, "io", None)
    file = io._write_fd if io is not None else None
    if io is None or file is None:
        yield
        return
    file.sync()
    io._write_fd = None
    try:
        yield
    finally:
        io._write_fd = file
