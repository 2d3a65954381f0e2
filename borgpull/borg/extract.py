"""`borg extract`, watched: what it has written, and what it could not."""

from __future__ import annotations

import time
from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import accumulate

from borgpull import events
from borgpull.borg import messages
from borgpull.borg.command import is_failure
from borgpull.borg.create import LOG_LINES
from borgpull.borg.messages import FileWarning
from borgpull.errors import BorgpullError, ConnectionLost
from borgpull.events import Emit, Event
from borgpull.process import Running
from borgpull.ssh.session import lost

# Tells the bytes in steps of a thousandth. --list, which names each item, makes an extract of small
# files a quarter to a half slower (50,000 of 1 KiB on a tmpfs: 10.1 s instead of 7.7).
PROGRESS = "--progress"
CONTENT = "extract"  # its message, of `export-tar`, too
# Between progress events.
PROGRESS_SECONDS = 0.5


@dataclass
class Extracted:
    """What `borg extract` did."""

    items: int = 0  # begun, as far as their bytes tell
    total: int = 0  # expected
    warnings: list[FileWarning] = field(default_factory=list)
    returncode: int = 0
    failure: BorgpullError | None = None  # why borg ended before its end


def watch(
    child: Running, client: str, sizes: Sequence[int], *, alive: Callable[[], bool], emit: Emit
) -> Extracted:
    """Read `borg extract` or `export-tar`, each with PROGRESS, to the end.

    `sizes` are the bytes that each expected item brings, in the archive's order. Raises
    ConnectionLost, with how far it came, and borg's errors where it brought nothing.
    """
    log: list[str] = []
    done = Extracted(total=len(sizes))
    ends, next_event = list(accumulate(sizes)), 0.0
    for item in child.lines():
        if not alive():
            raise broken(done)
        message = messages.parse(item[1]) if item else None
        if item and message is None:
            log.append(item[1].decode(errors="replace").rstrip())
            events.debug(emit, f"borg: {log[-1]}")
        elif message and message.get("msgid") == CONTENT:
            if current := _count(message.get("current")):
                done.items = min(bisect_left(ends, current) + 1, done.total)
                if time.monotonic() >= next_event:
                    next_event = time.monotonic() + PROGRESS_SECONDS
                    _progress(emit, done, current, ends[-1], message.get("info"))
        elif message and message["type"] == "log_message":
            text = str(message.get("message", ""))
            log.append(text)
            if message.get("levelname") == "WARNING":
                found = messages.file_warning(message)
                done.warnings.append(found or FileWarning("", "", 0, text))
            events.debug(emit, f"borg: {text}")
        del log[:-LOG_LINES]
    done.returncode = child.wait(60)
    if is_failure(done.returncode):
        if lost(alive, done.returncode):
            raise broken(done)
        done.failure = messages.from_exit(done.returncode, "\n".join(log), client)
        if not done.items:
            raise done.failure
    return done


def broken(done: Extracted) -> ConnectionLost:
    return ConnectionLost(
        f"the connection broke: {done.items} of {done.total} items were begun, "
        f"{max(0, done.total - done.items)} are missing",
        hint="the same command with --overwrite changed restores the rest",
    )


def _count(value: object) -> int:
    return value if isinstance(value, int) and value > 0 else 0


def _progress(emit: Emit, done: Extracted, current: int, size: int, info: object) -> None:
    path = str(info[0]) if isinstance(info, list) and info else ""
    data = {"files": done.items, "bytes": current, "path": path}
    emit(Event("progress", {**data, "total_files": done.total, "total_bytes": size}))
