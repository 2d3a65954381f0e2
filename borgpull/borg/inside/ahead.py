"""Hashes of content, by a thread, while borg encrypts and writes what came before.

Only hashing may be there: hashlib lets other threads run meanwhile. Encryption counts its nonces,
so it stays in one thread.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from hashlib import sha256
from typing import Any

from borgpull.borg.inside import wire
from borgpull.borg.inside.channel import Channel

# The id of a chunk, and the sha256 of its content.
Hashed = tuple[bytes, bytes]
# Chunks, or frames, that are looked at before it is their turn. A chunk has up to 8 MiB.
CHUNKS, FRAMES = 3, 16
# To hand content over takes as long as to hash so many bytes.
WORTH = 16 << 10


class Hasher:
    """The thread. It works in the order of the calls."""

    def __init__(self, id_hash: Callable[[bytes], bytes]) -> None:
        self._id_hash = id_hash
        self._pool = ThreadPoolExecutor(1)

    def hashed(self, data: bytes) -> Hashed:
        """At once."""
        return self._id_hash(data), sha256(data).digest()

    def begin(self, data: bytes) -> Future[Hashed] | None:
        """None if it is not worth it."""
        return self._pool.submit(self.hashed, data) if len(data) >= WORTH else None

    def call(self, function: Callable[..., Any], *args: Any) -> Future[Any]:
        return self._pool.submit(function, *args)

    def chunks(
        self, chunks: Iterator[Any], hashed: Callable[[Any], Any]
    ) -> Iterator[tuple[Any, Future[Any] | None]]:
        """Each chunk with what `hashed` says of it, but for ids of known ones.

        borg's chunker shows a place in its own buffer, and writes the next chunk over it. So a
        chunk that waits here is a copy.
        """
        waiting: deque[tuple[Any, Future[Any] | None]] = deque()
        for shown in chunks:
            if isinstance(shown, bytes):
                waiting.append((shown, None))
            else:
                chunk = shown
                if shown.data is not None:  # it is no hole
                    chunk = shown._replace(data=bytes(shown.data))
                waiting.append((chunk, self._pool.submit(hashed, chunk)))
            if len(waiting) > CHUNKS:
                yield waiting.popleft()
        yield from waiting


class Frames:
    """The frames of a channel. Small files that have come already are hashed before their turn."""

    def __init__(self, channel: Channel, hasher: Hasher | None) -> None:
        self._channel, self._hasher = channel, hasher
        self._next: deque[tuple[int, Any, Future[Hashed] | None]] = deque()

    def frame(self) -> tuple[int, Any, Future[Hashed] | None]:
        """Kind and content; of a small file, its parts. Raises BadFrame, Ended."""
        while not self._next or self._more():
            kind, content = self._channel.frame()
            if kind == wire.WHOLE:
                parts = wire.whole(content)
                future = self._hasher.begin(parts[2]) if self._hasher else None
                self._next.append((kind, parts, future))
            else:
                self._next.append((kind, content, None))
        return self._next.popleft()

    def _more(self) -> bool:
        """The frames after a large file's beginning are not for us."""
        last = self._next[-1][0]
        return len(self._next) < FRAMES and last == wire.WHOLE and self._channel.has_frame()
