"""`borg extract`, watched: what it has written, and what it could not."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from borgpull import events
from borgpull.borg import messages
from borgpull.borg.command import is_failure
from borgpull.borg.create import LOG_LINES
from borgpull.borg.messages import FileWarning
from borgpull.errors import BorgpullError, ConnectionLost
from borgpull.events import Emit, Event
from borgpull.process import Running
from borgpull.ssh.session import lost

LISTED = "borg.output.list"  # the logger of `extract --list`
# Between progress events.
PROGRESS_SECONDS = 0.5


@dataclass
class Extracted:
    """What `borg extract` did."""

    items: int = 0  # begun
    total: int = 0  # expected
    warnings: list[FileWarning] = field(default_factory=list)
    returncode: int = 0
    failure: BorgpullError | None = None  # why borg ended before its end


def watch(
    child: Running, client: str, sizes: Sequence[int], *, alive: Callable[[], bool], emit: Emit
) -> Extracted:
    """Read `borg extract --list` or `export-tar --list` to the end; items of `sizes` are expected.

    Raises ConnectionLost, with how far it came, and borg's errors where it began nothing.
    """
    total, log = len(sizes), []
    done = Extracted(total=total)
    size, begun, next_event = sum(sizes), 0, 0.0  # bytes, bytes; a time
    for item in child.lines():
        if not alive():
            raise broken(done)
        message = messages.parse(item[1]) if item else None
        if item and message is None:
            log.append(item[1].decode(errors="replace").rstrip())
            events.debug(emit, f"borg: {log[-1]}")
        elif message and message.get("name") == LISTED:
            if time.monotonic() >= next_event:
                next_event = time.monotonic() + PROGRESS_SECONDS
                _progress(emit, done, begun, size, str(message.get("message")))
            begun += sizes[done.items] if done.items < total else 0
            done.items += 1
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


def _progress(emit: Emit, done: Extracted, begun: int, size: int, path: str) -> None:
    data = {"files": done.items, "bytes": begun, "path": path}
    emit(Event("progress", {**data, "total_files": done.total, "total_bytes": size}))
