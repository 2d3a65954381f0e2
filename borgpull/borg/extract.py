"""`borg extract`, watched: what it has written, and what it could not write."""

from __future__ import annotations

import contextlib
import time
from array import array
from bisect import bisect_left
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Protocol

from borgpull import events
from borgpull.borg import messages
from borgpull.borg.command import is_failure
from borgpull.borg.create import LOG_LINES, MAX_NAME
from borgpull.borg.messages import FileWarning
from borgpull.errors import BorgpullError, ConnectionLost
from borgpull.events import Emit, Event
from borgpull.process import Running
from borgpull.ssh.session import lost
from borgpull.trees.item import Item

# With it, borg reports the bytes in steps of a thousandth. --list, which names each item, makes an
# extract of small files a quarter to a half slower (50,000 of 1 KiB on a tmpfs: 10.1 s, not 7.7).
PROGRESS = "--progress"
CONTENT = "extract"  # the id of its message, for `export-tar` too
# Chunks before the content: the manifest, the archive, and the first piece of its list.
FIRST_CHUNKS = 3
MAX_WARNINGS = 10_000
MAX_PATH = 8192
MAX_SUM = 2**64 - 1
AGAIN = "--overwrite changed restores the rest"
# Seconds between progress events.
PROGRESS_SECONDS = 0.5


@dataclass
class Extracted:
    """What `borg extract` did."""

    items: int = 0  # number of items begun, as far as bytes or chunks tell
    total: int = 0  # number of items expected
    warnings: list[FileWarning] = field(default_factory=list)
    returncode: int = 0
    failure: BorgpullError | None = None  # the reason if borg failed

    def warn(self, warning: FileWarning) -> None:
        """Keep the first ones: a target can warn without end, and one is enough for a failure."""
        if len(self.warnings) < MAX_WARNINGS:
            short = warning.text[:MAX_NAME]
            self.warnings.append(warning._replace(path=warning.path[:MAX_PATH], text=short))


class Going(Protocol):
    """Items in the archive's order."""

    def __len__(self) -> int: ...
    def __iter__(self) -> Iterator[Item]: ...
    def __getitem__(self, index: int, /) -> Item: ...


def watch(
    child: Running,
    client: str,
    going: Going,
    *,
    alive: Callable[[], bool],
    emit: Emit,
    handed: Callable[[], int] | None = None,
) -> Extracted:
    """Read `borg extract` or `export-tar` to the end.

    `going` are the expected items, in the archive's order. The progress is told by borg (PROGRESS)
    or by `handed`, the number of chunks that borg got. Raises ConnectionLost, which tells the
    progress, and borg's errors if nothing was extracted.
    """
    log: list[str] = []
    done = Extracted(total=len(going))
    course = _Course(done, going, emit, handed)
    for item in child.lines():
        course.look()
        if not alive():
            raise broken(done)
        message = messages.parse(item[1]) if item else None
        if item and message is None:
            log.append(item[1].decode(errors="replace").rstrip())
            events.debug(emit, f"borg: {log[-1]}")
        elif message and message.get("msgid") == CONTENT:
            course.at_byte(message.get("current"), message.get("info"))
        elif message and message["type"] == "log_message":
            text = str(message.get("message", ""))
            log.append(text)
            if message.get("levelname") == "WARNING":
                found = messages.file_warning(message)
                done.warn(found or FileWarning("", "", 0, text))
            events.debug(emit, f"borg: {text}")
        del log[:-LOG_LINES]
    course.look()
    done.returncode = child.wait(60)
    said = "\n".join(log)
    if lost(alive, done.returncode, said):
        raise broken(done)
    if is_failure(done.returncode):
        done.failure = messages.from_exit(done.returncode, said, client)
        if not done.items:
            raise done.failure
    return done


def broken(done: Extracted) -> ConnectionLost:
    told = (
        f"about {done.items} of {done.total} items were begun, "
        f"{max(0, done.total - done.items)} are missing"
    )
    if not done.total:  # borg has failed before it told of any
        told = "no item is known to be begun"
    return ConnectionLost(f"the connection broke: {told}", hint=f"the same command with {AGAIN}")


@contextlib.contextmanager
def counted(done: Extracted) -> Iterator[None]:
    """Where the connection breaks after the extract, say what the extract has done.

    Raises ConnectionLost.
    """
    try:
        yield
    except ConnectionLost:
        if done.returncode or done.warnings:
            raise broken(done) from None
        raise ConnectionLost(
            "the connection broke: all items were written, but not compared with the archive",
            hint=f"the same command with {AGAIN}",
        ) from None


def _more(sums: array[int], number: int) -> None:
    """Append the next running sum. An archive may claim any size."""
    sums.append(min(number + (sums[-1] if sums else 0), MAX_SUM))


class _Course:
    """The progress of an extract: in `done`, and as events."""

    def __init__(
        self,
        done: Extracted,
        going: Going,
        emit: Emit,
        handed: Callable[[], int] | None,
    ) -> None:
        self._done, self._going, self._emit, self._handed = done, going, emit, handed
        self._bytes, self._chunks = array("Q"), array("Q")
        for item in going:  # only the first name of a hard link brings content
            _more(self._bytes, item.size * item.first_name)
            _more(self._chunks, item.chunks * item.first_name)
        self._next = 0.0

    def at_byte(self, value: object, info: object) -> None:
        """Note borg's progress; `value` and `info` may be anything."""
        if isinstance(value, int) and value > 0:
            self._done.items = min(bisect_left(self._bytes, value) + 1, self._done.total)
            self._tell(value, str(info[0]) if isinstance(info, list) and info else "")

    def look(self) -> None:
        """Note the chunks handed out. At most a hundred of them are not yet written."""
        number = self._handed() - FIRST_CHUNKS if self._handed is not None else 0
        if number > 0 and self._chunks:
            at = min(bisect_left(self._chunks, number), self._done.total - 1)
            self._done.items = at + 1
            self._tell(self._bytes[at], self._going[at].path)

    def _tell(self, size: int, path: str) -> None:
        if time.monotonic() < self._next:
            return
        self._next = time.monotonic() + PROGRESS_SECONDS
        data = {"files": self._done.items, "bytes": size, "path": path}
        total = {"total_files": self._done.total, "total_bytes": self._bytes[-1]}
        self._emit(Event("progress", {**data, **total}))
