"""The content of the client's files, as it comes by the channel, cut into chunks by borg."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from types import SimpleNamespace
from typing import Any, NamedTuple

from borgpull.borg.inside import wire
from borgpull.borg.inside.ahead import Ahead, Coming, Hashed, Hasher
from borgpull.borg.inside.bulk import bulk_of
from borgpull.borg.inside.channel import Channel
from borgpull.borg.inside.idhash import id_hash_of
from borgpull.borg.inside.sums import EMPTY, Sums, key_of
from borgpull.borg.inside.wire import BadFrame, End

# As in client/scripts/stream_read.py. The last block may go beyond it.
GROWTH = (1 << 30) + wire.MAX_BLOCK
# Bytes of a file that may wait for its hashes while the next one comes.
SHORT = 8 << 20


class Reader:
    """A large file for borg's chunker: `read` takes frames until the end of the file."""

    lost = False  # is a chunk in the repository no more that need not come?

    def __init__(self, channel: Channel, size: int) -> None:
        """`size` is what fstat(2) said at its beginning."""
        self._channel, self._left = channel, b""
        self._most = size + max(size, GROWTH) + wire.MAX_BLOCK
        self.size = 0  # bytes so far
        self.end: End | None = None

    def sum(self, whole: bytes) -> bytes | None:
        """The sha256 of all, if that of all chunks that have come is `whole`. Raises BadFrame."""
        return whole

    def cut(self, chunkify: Callable[[Reader], Iterator[Any]]) -> Iterator[Any]:
        """Its chunks, in their order: borg's, or the ids of known ones. Raises BadFrame, Ended."""
        return chunkify(self)

    def read(self, count: int) -> bytes:
        """Raises BadFrame, Ended."""
        while self._wait():
            self._take(*self._channel.frame())
        found, self._left = self._left[:count], self._left[count:]
        return found

    def drain(self) -> None:
        """As the channel's."""
        self._channel.drain()

    def _wait(self) -> bool:
        """Must a frame come before more can be read?"""
        return not self._left and self.end is None

    def _take(self, kind: int, content: bytes) -> None:
        if kind == wire.DATA:
            self._left = content
        elif kind == wire.ZEROS:
            self._left = bytes(wire.zeros(content))
        elif kind == wire.STOP:
            self.end = wire.stop(content)
        else:
            raise BadFrame(f"a frame of kind {kind} within a file")
        self.size += len(self._left)
        if self.size > self._most:
            raise BadFrame("a file without end")


class Large(NamedTuple):
    """A large file that has begun to come."""

    reader: Reader
    chunks: Coming
    has_come: bool  # is all of it here, and is it short?


class Chunks:
    """Puts content into the repository, and makes checkpoints in time, as `borg create` does."""

    def __init__(self, archive: Any, key: Any, cache: Any, args: Any, sums: Sums) -> None:
        from borg.archive import ChunksProcessor, cached_hash  # type: ignore[import-not-found]
        from borg.chunker import get_chunker  # type: ignore[import-not-found]
        from borg.constants import CHUNK_MIN_EXP  # type: ignore[import-not-found]
        from borg.helpers.msgpack import mp_Packer  # type: ignore[import-not-found]
        from borg.item import ChunkListEntry, Item  # type: ignore[import-not-found]

        assert 1 << CHUNK_MIN_EXP >= wire.SMALL  # such a file is one chunk
        self._archive, self._key, self._cache, self._named = archive, key, cache, cached_hash
        self.sums = sums
        self.id_hash = id_hash_of(key)
        self.hasher = Hasher(self.id_hash)
        self.sum: bytes | None = None  # of the last file's content
        self._bulk = bulk_of(archive, key, cache)
        self._progress = args.progress
        self._entry, self._item = ChunkListEntry, Item
        self.pack = mp_Packer(use_bin_type=False).pack  # as borg's own packer
        self._processor = ChunksProcessor(
            cache=cache,
            key=key,
            add_item=archive.add_item,
            write_checkpoint=archive.write_checkpoint,
            checkpoint_interval=args.checkpoint_interval,
            rechunkify=False,
        )
        self._chunker = get_chunker(*args.chunker_params, seed=key.chunk_seed, sparse=False)

    def small(self, data: bytes, hashed: Hashed | None) -> list[Any]:
        """`hashed` are its hashes, if they were computed."""
        if not data:
            self.sum = EMPTY
            return []
        key, self.sum = hashed if hashed is not None else self.hasher.hashed(data)
        entry = self._added(key, data)
        self.sums.note(key, self.sum)
        return [entry]

    def many(
        self, contents: Sequence[tuple[bytes, Hashed | None]]
    ) -> list[tuple[list[Any], bytes]]:
        """As `small` of each one: its chunks, and its sum."""
        hash_of, none = self.hasher.hashed, (b"", EMPTY)
        every = [(hashed or hash_of(data)) if data else none for data, hashed in contents]
        filled = [(key, data) for (key, _), (data, _) in zip(every, contents, strict=True) if data]
        add = self._bulk.add if self._bulk is not None else self._add_each
        entries = iter(add(filled))
        self.sums.note_all([one for one in every if one is not none])
        return [([next(entries)] if key else [], found) for key, found in every]

    def _add_each(self, contents: Sequence[tuple[bytes, bytes]]) -> list[Any]:
        return [self._added(key, data) for key, data in contents]

    def _added(self, key: bytes, data: Any) -> Any:
        entry = self._cache.add_chunk(key, data, self._archive.stats, wait=False)
        self._cache.repository.async_response(wait=False)
        return entry

    def _one(self, ahead: Ahead) -> Any:
        """The entry of borg's chunk, or of a known id."""
        if ahead.named is None or ahead.sum is None:
            return self._cache.chunk_incref(ahead.chunk, self._archive.stats)
        key, data = ahead.named.result()
        entry = self._added(key, data)
        self.sums.note(key, ahead.sum.result())
        return entry

    def _id_of(self, chunk: Any) -> tuple[bytes, Any]:
        """Id and content of borg's chunk. A thread of the hasher calls it."""
        found: tuple[bytes, Any] = self._named(chunk, self.id_hash)
        return found

    def begin(self, reader: Reader) -> Large:
        """Take the first chunks of a file. Raises BadFrame, Ended."""
        cut = reader.cut(self._chunker.chunkify)
        chunks = Coming(self.hasher, cut, self._id_of, reader.drain)
        return Large(reader, chunks, chunks.fill() and reader.size <= SHORT)

    def large(self, fields: dict[str, Any], large: Large) -> tuple[list[Any], End]:
        """All chunks of a file; none if it could not be read to its end. Raises BadFrame, Ended."""
        item, reader = self._item(internal_dict=fields), large.reader
        self._processor.process_file_chunks(
            item, self._cache, self._archive.stats, self._progress, large.chunks, self._one
        )
        end = reader.end
        assert end is not None
        saved = sum(chunk.size for chunk in item.chunks)
        if saved != reader.size and not reader.lost:  # a fault of ours, if there ever is one
            raise RuntimeError(f"{saved} bytes of a file were saved, and {reader.size} have come")
        if end.stage:
            # If checkpoints have parts of it, borg has counted each chunk once more for the file.
            self.drop(item.chunks)
            return [], end
        self.sum = reader.sum(large.chunks.whole.digest())
        return list(item.chunks), end

    def remember(self, ids: list[bytes]) -> None:
        """Note the sum of the last file, which did not change while it was read."""
        if self.sum is not None and len(ids) > 1:
            self.sums.note(key_of(ids), self.sum)

    def drop(self, chunks: list[Any]) -> None:
        for chunk in chunks:
            self._cache.chunk_decref(chunk.id, self._archive.stats, wait=False)

    def known(self, ids: list[bytes]) -> list[Any] | None:
        """The chunks of an unchanged file; None if one is lost."""
        found: list[Any] = []
        incref, entry = self.referring(), self._entry
        size = csize = 0
        for one in ids:  # as borg's chunk_incref, but for the statistics
            try:
                _, its, packed = incref(one)
            except KeyError:
                self.unrefer(ids)
                return None
            found.append(entry(one, its, packed))
            size += its
            csize += packed
        self._archive.stats.update(size, csize, False)
        return found

    def referring(self) -> Callable[[bytes], tuple[int, int, int]]:
        """What counts one more reference to a chunk, and returns its entry. It raises KeyError."""
        if not self._cache.txn_active:
            self._cache.begin_txn()
        found: Callable[[bytes], tuple[int, int, int]] = self._cache.chunks.incref
        return found

    def unrefer(self, ids: list[bytes]) -> None:
        """Take back the references that were counted before one of the chunks was missing."""
        for one in ids:
            if one not in self._cache.chunks:
                return
            self._cache.chunks.decref(one)

    def write(self, items: bytes) -> None:
        """Packed items. `tend` is to follow."""
        self._archive.items_buffer.buffer.write(items)

    def add(self, item: dict[str, Any]) -> bytes:
        """As borg's `Archive.add_item`; returns the packed item. `tend` is to follow."""
        packed: bytes = self.pack(item)
        self.write(packed)
        return packed

    def tend(self, path: str) -> None:
        """What borg does after each item. Each item so far, up to `path`, must have been added."""
        archive, processor = self._archive, self._processor
        if archive.show_progress:
            archive.stats.show_progress(item=SimpleNamespace(path=path), dt=0.2)
        if archive.items_buffer.is_full():
            archive.items_buffer.flush()
        wait = processor.checkpoint_interval
        if wait and time.monotonic() - processor.last_checkpoint > wait:
            archive.write_checkpoint()
            processor.last_checkpoint = time.monotonic()
