"""A child's output, read within limits: it may be too fast or too long."""

from __future__ import annotations

import os
import selectors
import subprocess
import threading
import time
from collections import deque
from typing import Generic, TypeVar

from borgpull import signals

# Bytes of lines that may wait for their reader. Beyond that, the writer waits.
WAITING_BYTES = 8 << 20
# Bytes at the end of standard error that are kept.
MAX_STDERR = 1 << 20
BLOCK = 1 << 16
# A signal is noticed by every thread within this time.
TICK_SECONDS = 0.5

T = TypeVar("T")


class Lines(Generic[T]):
    """A queue of limited size: if it is full, `put` waits for `get`.

    Before the first `get`, and after `abandon`, a full queue drops new items instead. A child must
    not wait for a reader that does not come.
    """

    def __init__(self) -> None:
        self._items: deque[tuple[T, int]] = deque()
        self._bytes = 0
        self._changed = threading.Condition()
        self._read, self._abandoned = False, False

    def put(self, item: T, size: int) -> None:
        """`size` is in bytes; an item of no size is never lost."""
        with self._changed:
            while self._full(size) and self._read and not self._abandoned:
                self._changed.wait()
            if self._full(size):
                return
            self._items.append((item, size))
            self._bytes += size
            self._changed.notify_all()

    def _full(self, size: int) -> bool:
        return size > 0 and bool(self._items) and self._bytes + size > WAITING_BYTES

    def get(self, timeout: float) -> T | None:
        """The oldest item; None after `timeout` seconds without one."""
        with self._changed:
            self._read = True
            self._changed.wait_for(lambda: bool(self._items), timeout)
            if not self._items:
                return None
            item, size = self._items.popleft()
            self._bytes -= size
            self._changed.notify_all()
            return item

    def abandon(self) -> None:
        """Say that not all items will be read."""
        with self._changed:
            self._abandoned = True
            self._changed.notify_all()


def exchange(
    child: subprocess.Popen[bytes], stdin: bytes, *, timeout: float, max_output: int
) -> tuple[bytes, bytes]:
    """Give a child its input, and take its output and the end of its errors, until both end.

    This is `Popen.communicate` with a limit. Raises subprocess.TimeoutExpired, and OverflowError
    beyond `max_output` bytes.
    """
    assert child.stdin is not None and child.stdout is not None and child.stderr is not None
    deadline = time.monotonic() + timeout
    output, errors = bytearray(), bytearray()
    rest = memoryview(stdin)
    os.set_blocking(child.stdin.fileno(), False)
    with selectors.DefaultSelector() as ready:
        ready.register(child.stdout, selectors.EVENT_READ, output)
        ready.register(child.stderr, selectors.EVENT_READ, errors)
        ready.register(child.stdin, selectors.EVENT_WRITE)
        while ready.get_map():
            left = deadline - time.monotonic()
            if left <= 0 or signals.out_of_time():
                raise subprocess.TimeoutExpired(child.args, timeout, stderr=bytes(errors))
            for key, _ in ready.select(min(left, TICK_SECONDS)):
                if key.data is None:
                    rest = _give(key.fd, rest)
                    if not rest:
                        ready.unregister(child.stdin)
                        child.stdin.close()
                elif block := os.read(key.fd, BLOCK):
                    key.data.extend(block)
                else:
                    ready.unregister(key.fileobj)
            del errors[:-MAX_STDERR]
            if len(output) > max_output:
                raise OverflowError(max_output)
    return bytes(output), bytes(errors)


def _give(fd: int, data: memoryview) -> memoryview:
    """Write to a pipe; returns the rest of the data, or nothing if the reader is gone."""
    try:
        return data[os.write(fd, data[:BLOCK]) :] if data else data
    except BlockingIOError:
        return data
    except BrokenPipeError:
        return data[:0]
