"""The helper of `borgpull stream`: hashes by several threads. hashlib lets them run side by side.

One thread reads at a time, a piece after the other: so a disk reads on from place to place.
"""

import os
from hashlib import sha256

MYPY = False
if MYPY:  # a Python before 3.9 could not read it
    from collections.abc import Callable
    from threading import Thread

WORTH = 16 << 20  # bytes of a file: below, threads would hardly save more time than they take
THREADS, ROOM = 4, 24 << 20  # at most, and the bytes of their pieces


def threads(pieces: "list[tuple[int, bytes]]") -> int:
    """How many are worth it?"""
    if sum(size for size, _ in pieces) < WORTH:
        return 1
    most = ROOM // max(size for size, _ in pieces)
    return max(1, min(THREADS, most, len(os.sched_getaffinity(0))))


# Memory for pieces, one after the other. To allocate it for each file takes as long as to hash it.
rooms = []  # type: list[memoryview]


def room(number: int, size: int) -> memoryview:
    """The room with a number, or the beginning of it."""
    while len(rooms) <= number:
        rooms.append(memoryview(b""))
    if len(rooms[number]) < size:
        rooms[number] = memoryview(bytearray(size))
    return rooms[number][:size]


class Alike:
    """Finds the first pieces of a file that are the same. It stops at one that is not."""

    def __init__(self, handle: int, pieces: "list[tuple[int, bytes]]") -> None:
        from threading import Lock

        self.handle, self.pieces = handle, pieces
        self.reading = Lock()
        self.next, self.end = 0, len(pieces)
        # One byte for each piece: is it known to be the same? If a thread dies, its piece is not.
        self.same = bytearray(len(pieces) + 1)
        self.errors = {}  # type: dict[int, OSError]

    def run(self, room: memoryview) -> None:
        """What each thread does, in a room of its own."""
        while True:
            with self.reading:
                number = self.next
                if number >= self.end:
                    return
                self.next += 1
                size, known = self.pieces[number]
                whole = self.read(number, room[:size])
            if whole and sha256(room[:size]).digest() == known:
                self.same[number] = 1
            else:
                self.end = 0

    def read(self, number: int, room: memoryview) -> bool:
        """Fill it; False if the file ends before."""
        try:
            while room:
                count = os.readv(self.handle, [room])
                if not count:
                    return False
                room = room[count:]
        except OSError as error:
            self.errors[number] = error
            return False
        return True

    def count(self) -> int:
        """The number of the first pieces that are the same.

        Raises OSError if the next one could not be read.
        """
        found = self.same.find(0)
        if found in self.errors:
            raise self.errors[found]
        return found


def alike(handle: int, pieces: "list[tuple[int, bytes]]") -> int:
    """The number of the first pieces that are the same. The file's position is behind them then.

    It is 0 if several threads are not worth it. Raises OSError.
    """
    number = threads(pieces)
    if number < 2:
        return 0
    begin = os.lseek(handle, 0, os.SEEK_CUR)
    look = Alike(handle, pieces)
    most = max(size for size, _ in pieces)
    others = []  # type: list[Thread | None]
    try:
        while len(others) < number - 1:
            others.append(started(look.run, room(len(others) + 1, most)))
        look.run(room(0, most))
    finally:
        look.end = 0
        for other in others:
            if other is not None:
                other.join()
    found = look.count()
    os.lseek(handle, begin + sum(size for size, _ in pieces[:found]), os.SEEK_SET)
    return found


def started(run: "Callable[..., None]", *args: memoryview) -> "Thread | None":
    """A thread; None if the system has no more."""
    from threading import Thread

    thread = Thread(target=run, args=args, daemon=True)
    try:
        thread.start()
    except RuntimeError:
        return None
    return thread


class Beside:
    """A sha256 that a thread computes meanwhile. Call `end` for its end."""

    def __init__(self) -> None:
        from threading import Lock

        self.sum = sha256()
        self.block = None  # type: bytes | memoryview | None
        self.given, self.idle = Lock(), Lock()
        self.error = None  # type: Exception | None
        self.given.acquire()
        self.thread = started(self.run)

    def run(self) -> None:
        while True:
            self.given.acquire()
            if self.block is None:
                return
            try:
                self.sum.update(self.block)
            except Exception as error:
                self.error = error
            finally:
                self.idle.release()

    def update(self, block: "bytes | memoryview") -> None:
        """Once it returns, the block before is needed no more."""
        if self.thread is None:
            self.sum.update(block)
        else:
            self.idle.acquire()
            self.block = block
            self.given.release()
        if self.error is not None:
            raise self.error

    def digest(self) -> bytes:
        self.end()
        if self.error is not None:
            raise self.error
        return self.sum.digest()

    def end(self) -> None:
        if self.thread is not None:
            self.idle.acquire()
            self.block = None
            self.given.release()
            self.thread.join()
        self.thread = None
