"""Hashes of content, by threads, while borg encrypts and writes what came before.

Only hashing may be there: hashlib lets other threads run meanwhile. Encryption counts its nonces,
so it stays in one thread.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from hashlib import sha256
from typing import Any, NamedTuple

from borgpull.borg.inside import wire
from borgpull.borg.inside.asked import Asked
from borgpull.borg.inside.channel import Channel
from borgpull.borg.inside.slots import Slot

# The id of a chunk, and the sha256 of its content.
Hashed = tuple[bytes, bytes]
# Chunks, or files, that are looked at before it is their turn. A chunk has up to 8 MiB.
CHUNKS, FILES = 3, 64
# Several answers at once that are as expected, at most so many. It is no kind of frame. While some
# are saved, the next ones are hashed.
SEVERAL, AT_ONCE = 0, FILES // 2
# To hand content over takes as long as to hash so many bytes.
WORTH = 16 << 10


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

    def begin(self, data: bytes) -> Future[Hashed] | None:
        """None if it is not worth it."""
        return self._pool.submit(self.hashed, data) if len(data) >= WORTH else None

    def chunks(
        self, chunks: Iterator[Any], named: Callable[[Any], tuple[bytes, Any]], whole: Whole
    ) -> Iterator[Ahead]:
        """Each chunk of a file, for which `named` computes its id and content; `whole` gets all.

        borg's chunker shows a place in its own buffer, and writes the next chunk over it. So a
        chunk that waits here is a copy.
        """
        waiting: deque[Ahead] = deque()
        for shown in chunks:
            if isinstance(shown, bytes):
                waiting.append(Ahead(shown))
            else:
                chunk = shown
                if shown.data is not None:  # it is no hole
                    chunk = shown._replace(data=bytes(shown.data))
                waiting.append(self._ahead(chunk, named, whole))
            if len(waiting) > CHUNKS:
                yield waiting.popleft()
        yield from waiting

    def _ahead(self, chunk: Any, named: Callable[[Any], tuple[bytes, Any]], whole: Whole) -> Ahead:
        made = self._ids.submit(named, chunk)

        def added() -> bytes:
            return whole.add(made.result()[1] if chunk.data is None else chunk.data)

        return Ahead(chunk, made, self._pool.submit(added))


# A file, its content, and its hashes if they are being computed.
Come = tuple[Slot, bytes, Future[Hashed] | None]


class Frames:
    """The frames of a channel. Small files that have come already are hashed before their turn."""

    def __init__(self, channel: Channel, asked: Asked, hasher: Hasher | None) -> None:
        self._channel, self._asked, self._hasher = channel, asked, hasher
        self._next: deque[tuple[int, Any, Future[Hashed] | None]] = deque()
        self._files = 0  # that have come, and whose turn it is not yet

    def frame(self) -> tuple[int, Any, Future[Hashed] | None]:
        """Kind and content; of a small file, its parts. Raises BadFrame, Ended.

        With SEVERAL comes a list of `Come`: files that are as they were listed.
        """
        while not self._next or self._more():
            if not self._several():
                self._one()
        found = self._next.popleft()
        self._files -= _files(found)
        return found

    def _add(self, kind: int, content: Any, hashed: Future[Hashed] | None = None) -> None:
        self._next.append((kind, content, hashed))
        self._files += _files(self._next[-1])

    def _several(self) -> bool:
        """Take the answers that are as expected, if there is one."""
        slots = self._asked.expected(self._files, AT_ONCE)
        if not slots or self._hasher is None:
            return False
        begin = self._hasher.begin
        found = self._channel.answers(slots)
        if found:
            pairs = zip(slots, found, strict=False)
            self._add(SEVERAL, [(slot, data, begin(data)) for slot, data in pairs])
        return bool(found)

    def _one(self) -> None:
        kind, content = self._channel.frame()
        if kind == wire.WHOLE:
            parts = wire.whole(content)
            future = self._hasher.begin(parts[2]) if self._hasher else None
            self._add(kind, parts, future)
        else:
            self._add(kind, content)

    def _more(self) -> bool:
        """The frames after a large file's beginning are not for us."""
        last = self._next[-1][0]
        return self._files < FILES and last in (wire.WHOLE, SEVERAL) and self._channel.has_frame()


def _files(frame: tuple[int, Any, Any]) -> int:
    kind, content, _ = frame
    return len(content) if kind == SEVERAL else kind == wire.WHOLE
