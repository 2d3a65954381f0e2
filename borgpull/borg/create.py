"""`borg create`, watched: its progress as events, its warnings as findings."""

from __future__ import annotations

import contextlib
import json
import re
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
from borgpull.process import Running
from borgpull.ssh.session import lost

# Lines of plain text kept for an error message; borg's progress lines are not among them.
LOG_LINES = 60
KEPT_PATHS = 20
# What is used of borg's statistics.
NUMBERS = ("nfiles", "original_size", "deduplicated_size")
# borg's status letters of regular files whose content was read: added, modified, changing.
READ = "AMC"


@dataclass
class Created:
    """What `borg create` did; `stats` is borg's own JSON."""

    name: str = ""
    stats: dict[str, Any] = field(default_factory=dict)
    fresh: bool = False  # as in the order
    statuses: Counter[str] = field(default_factory=Counter)
    # The first KEPT_PATHS of the files that were read.
    read: list[str] = field(default_factory=list)
    warnings: list[FileWarning] = field(default_factory=list)
    returncode: int = 0

    def read_files(self) -> int:
        """Number of regular files whose content was read."""
        if self.fresh:
            return self._files()
        return sum(self.statuses[status] for status in READ)

    def unchanged_files(self) -> int:
        """Number of regular files that the files cache knew."""
        return max(0, self._files() - self.read_files())

    def _files(self) -> int:
        """By borg's own count, in which a file counts with each of its names."""
        names = int(self.stats.get("archive", {}).get("stats", {}).get("nfiles", 0))
        return max(0, names - self.statuses["h"])  # a client may say anything

    def count(self, status: str, path: str) -> None:
        self.statuses[status] += 1
        if status in READ and len(self.read) < KEPT_PATHS:
            self.read.append(path)


@dataclass(frozen=True, kw_only=True)
class Order:
    """What `borg create` is to do. `total_files` is what the last run saw, for the progress.

    In a repository without any archive (`fresh`) every file will be read.
    """

    archive: str
    final: str = ""  # the name that it gets once it is verified
    args: tuple[str, ...] = ()  # options: compression, patterns
    dry_run: bool = False
    fresh: bool = False
    total_files: int | None = None

    def words(self, *options: str, paths: Sequence[str]) -> list[str]:
        """The words after `borg create`; `options` are the method's own."""
        common = ["--list", *(["--dry-run"] if self.dry_run else ["--json", "--progress"])]
        return [*common, *options, *self.args, f"::{self.archive}", "--", *paths]

    def fits(self, name: str) -> bool:
        """Can borg have made this name of `archive`, whatever its placeholders stand for?"""
        parts = re.split(r"\{[^{}]*\}", self.archive)
        pattern = "[^/\n\ud800-\udfff]+".join(re.escape(part) for part in parts)
        return re.fullmatch(pattern, name) is not None


def create(
    borg: Borg, order: Order, words: Sequence[str], *, alive: Callable[[], bool], emit: Emit
) -> Created:
    """Run borg create and watch it and the connection.

    Raises ConnectionLost as soon as `alive()` is false, and borg's errors.
    """
    with borg.running("create", *words) as child:
        return watch(child, borg.client, order, alive=alive, emit=emit)


def watch(
    child: Running,
    client: str,
    order: Order,
    *,
    alive: Callable[[], bool],
    emit: Emit,
    heard: Callable[[bool], None] = lambda finished: None,
) -> Created:
    """Read a `borg create` to its end, whether its JSON comes by standard output or error.

    `heard` is called at each sign of borg's progress: has it read all files (as it says)?
    Raises ConnectionLost as soon as `alive()` is false, and borg's errors.
    """
    progress = _Progress(emit, order.total_files)
    done, log = Created(fresh=order.fresh), _Log()
    for item in child.lines():
        if not alive():
            raise ConnectionLost(f"the connection to {client} broke during the run")
        if item is None:
            continue
        stream, line = item
        message = messages.parse(line) if stream == "stderr" else None
        if message is None:
            log.add(line)
        elif message["type"] == "file_status":
            done.count(str(message.get("status")), str(message.get("path")))
        elif message["type"] == "archive_progress":
            heard(bool(message.get("finished")))
            progress.tell(message)
        elif message["type"] == "log_message":
            _log_message(message, done, log, emit)
    done.returncode = child.wait(60)
    if is_failure(done.returncode):
        if lost(alive, done.returncode):
            raise ConnectionLost(f"the connection to {client} broke during the run")
        raise messages.from_exit(done.returncode, "\n".join(log.lines), client)
    with contextlib.suppress(ValueError, KeyError, TypeError, RecursionError):
        done.name, done.stats = _stats(b"".join(log.json))
    return done


def _stats(text: bytes) -> tuple[str, dict[str, Any]]:
    """The archive's name and borg's JSON on it. Raises what a client may have put in there."""
    archive = json.loads(text)["archive"]
    numbers = {name: int(archive["stats"][name]) for name in NUMBERS}
    return str(archive["name"]), {"archive": {"id": str(archive["id"]), "stats": numbers}}


class _Log:
    """The last lines of plain text, and borg's own JSON where it came among them."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.json: list[bytes] = []  # borg indents it: a `{` alone begins it, a `}` alone ends it

    def add(self, line: bytes) -> None:
        bare = line.rstrip()
        if bare == b"{" or (self.json and self.json[-1].rstrip() != b"}"):
            self.json = [line] if bare == b"{" else [*self.json, line]
        else:
            self.text(line.decode(errors="replace").rstrip())

    def text(self, text: str) -> None:
        self.lines.append(text)
        del self.lines[:-LOG_LINES]


def _log_message(message: dict[str, Any], done: Created, log: _Log, emit: Emit) -> None:
    found = messages.file_warning(message)
    if found is not None:
        done.warnings.append(found)
        return
    text = str(message.get("message", ""))
    log.text(text)
    events.debug(emit, f"borg: {text}")


class _Progress:
    """borg's progress as events, at most five a second."""

    def __init__(self, emit: Emit, total_files: int | None) -> None:
        self.emit, self._total, self._next = emit, total_files, 0.0

    def tell(self, message: dict[str, Any]) -> None:
        if message.get("finished") or time.monotonic() < self._next:
            return
        self._next = time.monotonic() + 0.2
        numbers = [message.get(name) for name in NUMBERS]
        files, size, new = (item if isinstance(item, int) else 0 for item in numbers)
        data = {
            "files": files,
            "bytes": size,
            "new_bytes": new,
            "path": str(message.get("path", "")),
            "total_files": self._total,
        }
        self.emit(Event("progress", data))
