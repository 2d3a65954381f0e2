"""Reads restored files while others are still being restored, by the processor that borg leaves.

What is read so counts as long as nothing has touched the file since. Each change of a file gives it
a new ctime, which no program can set. So a file is noted with its ctime, and looked at once more at
the end, when all is there. One with another ctime is read again.
"""

from __future__ import annotations

import contextlib
import math
import os
import stat
import struct
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Self

from borgpull.borg.manifest import BadManifest
from borgpull.drills.tree import Tree, sum_of
from borgpull.errors import BorgpullError
from borgpull.events import Emit, Event
from borgpull.trees.item import SECOND
from borgpull.trees.manifest import Entry

# Two changes within one tick of the kernel's clock may get the same ctime. It takes at most 10 ms.
TICK = 50_000_000  # nanoseconds
NICE = 5  # the restore goes first
_KEY = struct.Struct("<QQq")

# Goes through the entries of the manifest once, by way of the function that it gets.
Work = Callable[[Callable[[Iterable[Entry]], Iterator[Entry]]], None]


class Read:
    """Contents that were read, by inode and ctime."""

    def __init__(self) -> None:
        self._known: set[bytes] = set()

    def add(self, st: os.stat_result, sha256: str) -> None:
        self._known.add(_key(st, sha256))

    def has(self, st: os.stat_result, sha256: str) -> bool:
        """Is this the sum of the file's content, as it is now?"""
        return _key(st, sha256) in self._known


def _key(st: os.stat_result, sha256: str) -> bytes:
    return _KEY.pack(st.st_dev, st.st_ino, st.st_ctime_ns) + bytes.fromhex(sha256)


class Stopped(Exception):
    """Nobody wants the rest."""


class Beside:
    """A thread beside a restore. With one processor, it begins once the restore has ended."""

    def __init__(
        self,
        root: Path,
        work: Work,
        wants: Callable[[Entry], bool],
        *,
        processors: int | None = None,
    ) -> None:
        """`wants` says which entries are restored, in whose order `work` goes through them."""
        self.read = Read()
        self._root, self._work, self._wants = root, work, wants
        self._alone = (processors or len(os.sched_getaffinity(0))) < 2
        self._news = threading.Condition()
        self._begun: float = 0  # entries whose restore has begun
        self.extracts = False  # has borg begun to extract?
        self._reads = True
        self._stopped = False
        self._pool = ThreadPoolExecutor(1)
        self._done: Future[None] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        _where: TracebackType | None,
    ) -> None:
        """Raises BadManifest, OSError, if nothing else was raised.

        After an error, no more is read, but `work` comes to its end. A signal ends it, too.
        """
        with self._pool:
            if error is None:
                self.at_its_end()
                self._wait()
                return
            self._leave(at_once=not isinstance(error, BorgpullError))
            self._start()
            with contextlib.suppress(BadManifest, OSError, Stopped):
                self._wait()

    def _wait(self) -> None:
        assert self._done is not None
        try:
            self._done.result()
        except BaseException:
            self._leave(at_once=True)
            raise

    def _leave(self, *, at_once: bool) -> None:
        with self._news:
            self._reads, self._stopped = False, at_once
            self._news.notify()

    def hearing(self, emit: Emit) -> Emit:
        """An `Emit` for the restore, whose progress is heard here."""

        def hear(event: Event) -> None:
            if event.kind == "phase" and event.data["name"] == "extract":
                self.extracts = True
                if not self._alone:
                    self._start()
            elif event.kind == "progress":
                self._so_far(event.data["files"])
            emit(event)

        return hear

    def at_its_end(self) -> None:
        """All is restored."""
        self._so_far(math.inf)
        self._start()

    def _so_far(self, begun: float) -> None:
        with self._news:
            self._begun = begun
            self._news.notify()

    def _start(self) -> None:
        if self._done is None:
            self._done = self._pool.submit(self._run)

    # --- in the thread ----------------------------------------------------------------------------

    def _run(self) -> None:
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICE)
        with contextlib.closing(Tree(self._root)) as tree:
            self._work(lambda entries: self._each(tree, entries))

    def _each(self, tree: Tree, entries: Iterable[Entry]) -> Iterator[Entry]:
        number = 0
        for entry in entries:
            if self._stopped:
                raise Stopped
            yield entry
            if not self._wants(entry):
                continue
            if entry.sha256 is not None and entry.sure and entry.item.regular:
                # The last one that has begun may not be whole.
                self._await(number + 1)
                if self._reads:
                    with contextlib.suppress(OSError):  # it is looked at again at the end
                        self._file(tree, entry)
            number += 1

    def _await(self, number: int) -> None:
        """Until more than so many entries have begun, or nothing is to be read."""
        if self._begun <= number:
            with self._news:
                self._news.wait_for(lambda: self._begun > number or not self._reads)

    def _file(self, tree: Tree, entry: Entry) -> None:
        """Read a file, and note it if it is as it was on the client. Raises OSError."""
        path = entry.item.path
        before = tree.lstat(path)
        if before is None or not stat.S_ISREG(before.st_mode):
            return
        with tree.opened(path) as handle:
            st = os.fstat(handle)
            if time.time_ns() - st.st_ctime_ns < TICK:
                time.sleep(TICK / SECOND)
                st = os.fstat(handle)
            if not stat.S_ISREG(st.st_mode) or st.st_size != entry.item.size or not _tells(st):
                return
            if sum_of(handle, lambda: self._reads) == entry.sha256:
                self.read.add(st, entry.sha256)


def _tells(st: os.stat_result) -> bool:
    """Would a change from now on give the file another ctime?

    Not if the last one was just now, or is to come. A whole second is of a file system that has no
    finer times.
    """
    return time.time_ns() - st.st_ctime_ns >= TICK and st.st_ctime_ns % SECOND != 0
