"""New contents of many small files, put into the repository together.

borg 1.4.5 stores a chunk by calls of seven functions, one within the other: cache.py,
LocalCache.add_chunk; crypto/key.py, AESKeyBase.encrypt; crypto/nonces.py,
NonceManager.ensure_reservation; repository.py, Repository.put, LoggedIO.write_put, get_write_fd;
platform, SyncFile.write. Here one loop does the same of many, and writes them at once.

An exception before a write leaves index, cache and statistics with what was written. After one
within a write, nothing can be committed.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any, NamedTuple

from borgpull.borg.inside.readback import reader_of
from borgpull.borg.inside.wire import SMALL

WRITE = 1 << 20  # bytes of one write, about
# An entry of a segment: its CRC-32, and size, tag and id (repository.py, LoggedIO.put_header_fmt).
_CRC, _REST = struct.Struct("<I"), struct.Struct("<IB32s")
_HEAD = _CRC.size + _REST.size
PARTS = 3  # CRC, the rest of the head, and the chunk
# What is done here in place of borg: whose method, its module, and its name there.
_DONE = (
    ("cache", "borg.cache", "LocalCache.add_chunk"),
    ("cache", "borg.cache", "LocalCache.seen_chunk"),
    ("key", "borg.crypto.key", "AESKeyBase.encrypt"),
    ("nonces", "borg.crypto.nonces", "NonceManager.ensure_reservation"),
    ("io", "borg.repository", "LoggedIO.write_put"),
    ("io", "borg.repository", "LoggedIO.get_write_fd"),
    ("stats", "borg.archive", "Statistics.update"),
)
_PUT = ("borg.repository", "Repository.put")

_tuple: Any = tuple.__new__


class _Made(NamedTuple):
    """Chunks that are to be written to one segment, one behind the other."""

    file: Any  # borg's
    entries: list[Any]  # as `add_chunk` returns them
    parts: list[bytes]  # of the segment: `PARTS` of each chunk

    def write(self, bulk: Bulk) -> None:
        """Put them into the file, and then into all that knows of them. Raises OSError."""
        try:
            # After a signal's exception, there may be a part of one more.
            self.file.write(b"".join(self.parts[: PARTS * len(self.entries)]))
            self._tell(bulk)
        except BaseException as error:
            # Nobody knows how much of it is in the file: nothing behind it could be found again.
            bulk.repository.transaction_doomed = error
            raise

    def _tell(self, bulk: Bulk) -> None:
        repository, chunks = bulk.repository, bulk.cache.chunks
        io, index = repository.io, repository.index
        segment, offset = io.segment, io.offset
        size = packed = 0
        for key, its, stored in self.entries:
            index[key] = segment, offset
            chunks.add(key, 1, its, stored)
            offset += stored + _HEAD
            size += its
            packed += stored
        io.offset = offset
        count = len(self.entries)
        repository.storage_quota_use += packed + _HEAD * count
        repository.segments[segment] = repository.segments.get(segment, 0) + count
        bulk.stats.update(size, packed, True)
        bulk.sampled.note_all(self.entries)


class Bulk:
    """Stores small contents. To be made by `bulk_of`."""

    def __init__(self, archive: Any, key: Any, cache: Any, sampled: Any) -> None:
        from borg.constants import MAX_DATA_SIZE  # type: ignore[import-not-found]
        from borg.item import ChunkListEntry  # type: ignore[import-not-found]
        from borg.repository import TAG_PUT, crc32  # type: ignore[import-not-found]

        # borg's `obfuscate` keeps below it by itself (compress.pyx). No other doubles a content.
        assert 2 * SMALL < MAX_DATA_SIZE
        self.repository, self.cache, self.stats = archive.repository, cache, archive.stats
        self._key, self.sampled = key, sampled
        self._entry, self._tag, self._crc32 = ChunkListEntry, TAG_PUT, crc32

    def add(self, contents: Sequence[tuple[bytes, bytes]]) -> list[Any]:
        """As borg's `add_chunk` of each one's id and content: their entries. Raises borg's errors.

        No content has more than `SMALL` bytes.
        """
        cache, repository = self.cache, self.repository
        if contents and not cache.txn_active:
            cache.begin_txn()
        if contents and not repository._active_txn:
            repository.prepare_txn(repository.get_transaction_id())
        found: list[Any] = []
        while len(found) < len(contents):
            key, data = contents[len(found)]
            if key in cache.chunks or key in repository.index:
                found.append(cache.add_chunk(key, data, self.stats, wait=False))
            else:
                found += self._new(contents, len(found))
        return found

    def _new(self, contents: Sequence[tuple[bytes, bytes]], begin: int) -> list[Any]:
        """Store those from a new one on: up to a known one, or to the end of a segment."""
        io = self.repository.io
        made = _Made(io.get_write_fd(), [], [])
        try:
            self._make(contents, begin, min(io.offset + WRITE, io.limit), made)
        finally:
            if made.entries:
                made.write(self)
        return made.entries

    def _make(
        self, contents: Sequence[tuple[bytes, bytes]], begin: int, last: int, made: _Made
    ) -> None:
        """Compress and encrypt them. An entry but for the first one begins at `last` or before."""
        key, chunks, index = self._key, self.cache.chunks, self.repository.index
        compress, cipher, nonces = key.compressor.compress, key.cipher, key.nonce_manager
        encrypt, header, reserve = cipher.encrypt, key.TYPE_STR, nonces.ensure_reservation
        nonce, reserved = cipher.next_iv(), nonces.end_of_nonce_reservation or 0
        crc32, crc, rest, tag, form = self._crc32, _CRC.pack, _REST.pack, self._tag, self._entry
        entries, parts, at = made.entries, made.parts, self.repository.io.offset
        seen = set[bytes]()
        for number in range(begin, len(contents)):
            key_of, data = contents[number]
            if entries and (at > last or key_of in chunks or key_of in index or key_of in seen):
                break
            packed = compress(data)
            blocks = (len(packed) + 15) >> 4
            if nonce + blocks > reserved:
                nonce = reserve(nonce, blocks)
                reserved = nonces.end_of_nonce_reservation
            stored = encrypt(packed, header=header, iv=nonce)
            nonce += blocks
            size = len(stored)
            head = rest(size + _HEAD, tag, key_of)
            parts += (crc(crc32(stored, crc32(head))), head, stored)
            entries.append(_tuple(form, (key_of, len(data), size)))
            seen.add(key_of)
            at += size + _HEAD
        if cipher.next_iv() != nonce:
            entries.clear()
            raise RuntimeError("the cipher is at another nonce than it should be")


def bulk_of(archive: Any, key: Any, cache: Any) -> Bulk | None:
    """None where borg stores otherwise: another kind of key or repository, or a quota."""
    from borg.crypto import low_level  # type: ignore[import-not-found]

    repository = archive.repository
    reader = reader_of(repository)
    io, nonces = getattr(repository, "io", None), getattr(key, "nonce_manager", None)
    ciphers = (low_level.AES256_CTR_HMAC_SHA256, low_level.AES256_CTR_BLAKE2b)
    if reader is None or not _is_borgs(reader.stock_put, *_PUT) or repository.storage_quota:
        return None
    if type(getattr(key, "cipher", None)) not in ciphers:
        return None
    ones = {"cache": cache, "key": key, "nonces": nonces, "io": io, "stats": archive.stats}
    for whose, module, name in _DONE:
        method = getattr(ones[whose], name.rpartition(".")[2], None)
        if not _is_borgs(method, module, name):
            return None
    return Bulk(archive, key, cache, reader.sampled)


def _is_borgs(method: Any, module: str, name: str) -> bool:
    """Is it borg's own function, and no other one at its place?"""
    function = getattr(method, "__func__", None)
    found = getattr(function, "__module__", None), getattr(function, "__qualname__", None)
    return found == (module, name)
