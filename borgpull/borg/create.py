"""`borg create`, watched: its progress as events, its warnings as findings."""

from __future__ import annotations

import contextlib
import json
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from borgpull import events
from borgpull.borg import messages
from borgpull.borg.command import Borg, is_failure
from borgpull.borg.messages import FileWarning
from borgpull.errors import ConnectionLost
from borgpull.events import Emit, Event
from borgpull.process import Running, running
from borgpull.secrets import as_fd

# Lines of plain text kept for an error message; borg's progress lines are not among them.
LOG_LINES = 60
KEPT_PATHS = 20
# borg's status letters of regular files whose content was read: added, modified, changing.
READ = "AMC"


@dataclass
class Created:
    """What `borg create` did; `stats` is borg's own JSON."""

    name: str = ""
    stats: dict[str, Any] = field(default_factory=dict)
    statuses: Counter[str] = field(default_factory=Counter)
    # The first KEPT_PATHS of the files that were read.
    read: list[str] = field(default_factory=list)
    warnings: list[FileWarning] = field(default_factory=list)
    returncode: int = 0

    def read_files(self) -> int:
        """Number of regular files whose content was read."""
        return sum(self.statuses[status] for status in READ)

    def count(self, status: str, path: str) -> None:
        self.statuses[status] += 1
        if status in READ and len(self.read) < KEPT_PATHS:
            self.read.append(path)


def create(
    borg: Borg,
    archive: str,
    paths: Sequence[str],
    args: Sequence[str],
    *,
    alive: Callable[[], bool],
    emit: Emit,
    dry_run: bool = False,
    total_files: int | None = None,
) -> Created:
    """Run borg create and watch it and the connection.

    `total_files` is what the last run saw, for the progress. Raises ConnectionLost as soon as
    `alive()` is false, and borg's errors.
    """
    common = ["--list", *(["--dry-run"] if dry_run else ["--json", "--progress"]), *args]
    argv = borg.argv("create", *common, f"::{archive}", "--", *paths)
    with as_fd(borg.passphrase) as fd:
        fds = () if fd is None else (fd,)
        with running(argv, name="borg create", env=borg.env(fd), pass_fds=fds) as child:
            return _watch(child, borg.client, alive, _Progress(emit, total_files))


def _watch(child: Running, client: str, alive: Callable[[], bool], progress: _Progress) -> Created:
    done, log, output = Created(), [], []
    for item in child.lines():
        if not alive():
            raise ConnectionLost(f"the connection to {client} broke during the run")
        if item is None:
            continue
        stream, line = item
        if stream == "stdout":
            output.append(line)
            continue
        message = messages.parse(line)
        if message is None:
            log.append(line.decode(errors="replace").rstrip())
        elif message["type"] == "file_status":
            done.count(str(message.get("status")), str(message.get("path")))
        elif message["type"] == "archive_progress":
            progress.tell(message)
        elif message["type"] == "log_message":
            _log_message(message, done, log, progress.emit)
        del log[:-LOG_LINES]
    done.returncode = child.wait(60)
    if is_failure(done.returncode):
        if not alive():
            raise ConnectionLost(f"the connection to {client} broke during the run")
        raise messages.from_exit(done.returncode, "\n".join(log), client)
    with contextlib.suppress(ValueError, KeyError):
        done.stats = json.loads(b"".join(output))
        done.name = str(done.stats["archive"]["name"])
    return done


def _log_message(message: dict[str, Any], done: Created, log: list[str], emit: Emit) -> None:
    found = messages.file_warning(message)
    if found is not None:
        done.warnings.append(found)
        return
    text = str(message.get("message", ""))
    log.append(text)
    events.debug(emit, f"borg: {text}")


class _Progress:
    """borg's progress as events, at most five a second."""

    def __init__(self, emit: Emit, total_files: int | None) -> None:
        self.emit, self._total, self._next = emit, total_files, 0.0

    def tell(self, message: dict[str, Any]) -> None:
        if message.get("finished") or time.monotonic() < self._next:
            return
        self._next = time.monotonic() + 0.2
        data = {
            "files": message.get("nfiles", 0),
            "bytes": message.get("original_size", 0),
            "new_bytes": message.get("deduplicated_size", 0),
            "path": message.get("path", ""),
            "total_files": self._total,
        }
        self.emit(Event("progress", data))
