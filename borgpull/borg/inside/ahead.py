"""Hashes of content, by threads, while borg encrypts and writes what came before.

Only hashing may be there: hashlib lets other threads run meanwhile. Encryption counts its nonces,
so it stays in one thread.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from hashlib import sha256
from typing import Any, NamedTuple

# The id of a chunk, and the sha256 of its content; those of small files, once they are computed.
Hashed = tuple[bytes, bytes]
Soon = Future[list[Hashed]]
# Chunks of a large file that are looked at before it is their turn. A chunk has up to 8 MiB.
CHUNKS = 3
# To hand contents over takes as long as to hash so many bytes. Python hashes files that are smaller
# than this on average, and does nothing else meanwhile.
WORTH, AVERAGE = 16 << 10, 4 << 10


class Whole:
    """The sha256 of chunks that follow each other, and of all of them."""

    def __init__(self) -> None:
        self._all: Any = None

    def add(self, data: Any) -> bytes:
        """The next chunk's. The first one need not be hashed twice."""
        if self._all is None:
            self._all = sha256(data)
            found: bytes = self._all.digest()
            return found
        self._all.update(data)
        return sha256(data).digest()

    def digest(self) -> bytes:
        return sha256().digest() if self._all is None else bytes(self._all.digest())


class Ahead(NamedTuple):
    """A chunk whose id and sum are being computed; or the id of a known one, without them."""

    chunk: Any
    named: Future[tuple[bytes, Any]] | None = None
    sum: Future[bytes] | None = None


class Hasher:
    """The threads: one for ids, and one for sums and small files. Each keeps the order of calls."""

    def __init__(self, id_hash: Callable[[bytes], bytes]) -> None:
        self._id_hash = id_hash
        self._ids, self._pool = ThreadPoolExecutor(1), ThreadPoolExecutor(1)

    def hashed(self, data: bytes) -> Hashed:
        """At once."""
        return self._id_hash(data), sha256(data).digest()

    def begin(self, contents: Sequence[bytes]) -> Soon | None:
        """Of small files. None if it is not worth it."""
        size = sum(map(len, contents))
        if size < WORTH or size < AVERAGE * len(contents):
            return None
        return self._pool.submit(lambda: [self.hashed(data) for data in contents])

    def ahead(self, chunk: Any, named: Callable[[Any], tuple[bytes, Any]], whole: Whole) -> Ahead:
        """A chunk, of which `named` computes id and content; `whole` gets it, too."""
        made = self._ids.submit(named, chunk)

        def added() -> bytes:
            return whole.add(made.result()[1] if chunk.data is None else chunk.data)

        return Ahead(chunk, made, self._pool.submit(added))


class Coming:
    """The chunks of a file. Some are hashed before it is their turn.

    borg's chunker shows a place in its own buffer, and writes the next chunk over it. So a chunk
    that waits here is a copy. And the chunker is one for all files (borg 1.4.5, chunker.pyx,
    chunkify): it must not be asked again once it has told the end, as the next file may have begun.
    """

    def __init__(
        self,
        hasher: Hasher,
        chunks: Iterator[Any],
        named: Callable[[Any], tuple[bytes, Any]],
        meanwhile: Callable[[], None] = lambda: None,
    ) -> None:
        """`chunks` are borg's, or ids of known ones; `named` is as in `Hasher.ahead`.

        `meanwhile` is called each time that a chunk was dealt with.
        """
        self._hasher, self._chunks, self._named = hasher, chunks, named
        self._meanwhile = meanwhile
        self._waiting: deque[Ahead] = deque()
        self.whole = Whole()

    def fill(self) -> bool:
        """Take chunks until as many wait as may. Have all come?"""
        while len(self._waiting) <= CHUNKS:
            shown = next(self._chunks, None)
            if shown is None:
                self._chunks = iter(())
                return True
            if isinstance(shown, bytes):
                self._waiting.append(Ahead(shown))
                continue
            chunk = shown
            if shown.data is not None:  # it is no hole
                chunk = shown._replace(data=bytes(shown.data))
            self._waiting.append(self._hasher.ahead(chunk, self._named, self.whole))
        return False

    def hashed(self) -> bool:
        """Are all hashed that have come?"""
        begun = [it for one in self._waiting for it in (one.named, one.sum) if it is not None]
        return all(it.done() for it in begun)

    def __iter__(self) -> Iterator[Ahead]:
        while not self.fill() or self._waiting:
            yield self._waiting.popleft()
            self._meanwhile()
