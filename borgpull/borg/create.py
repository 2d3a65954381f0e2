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
from borgpull.borg.command import Borg, is_failure, timestamp
from borgpull.borg.inside.told import KEPT_PATHS
from borgpull.borg.messages import FileWarning
from borgpull.borg.named import Named
from borgpull.errors import ConnectionLost
from borgpull.events import Emit, Event
from borgpull.process import Saying
from borgpull.ssh.session import lost

# Lines of plain text kept for an error message; borg's progress lines are not among them.
LOG_LINES = 60
MAX_WARNINGS = 100_000
# A client may send a megabyte in each path, so their characters are limited, too.
MAX_WARNED = 32 << 20
# Limits for borg's JSON on an archive, in bytes, and for an archive's name, in characters.
MAX_JSON = 1 << 20
MAX_NAME = 1000
# The largest number that is taken from a client: a signed 64-bit one.
MAX_NUMBER = (1 << 63) - 1
# borg reports its progress. A borg that is silent for so long hangs (a dying disk, say).
IDLE_SECONDS = 4 * 3600.0
# The used fields of borg's statistics.
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
    # The first MAX_WARNINGS, and the number of those beyond.
    warnings: list[FileWarning] = field(default_factory=list)
    more_warnings: int = 0
    warned: int = 0  # characters of the warnings
    # The first KEPT_PATHS of borg's unknown warnings, in borg's words.
    not_understood: list[str] = field(default_factory=list)
    returncode: int = 0
    named: Named = field(default_factory=Named)  # the order's paths that are in the archive
    sought: frozenset[str] = frozenset()
    found: set[str] = field(default_factory=set)  # the sought paths that a dry run would save

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
        # borg's are single letters. A client must not fill our memory with other words.
        self.statuses[status if len(status) == 1 and status.isascii() else "?"] += 1
        self.named.see(status, path)
        if status == "-" and path in self.sought:
            self.found.add(path)
        if status in READ and len(self.read) < KEPT_PATHS:
            self.read.append(path)

    def warn(self, warning: FileWarning) -> None:
        size = len(warning.path) + len(warning.text)
        if len(self.warnings) < MAX_WARNINGS and self.warned + size <= MAX_WARNED:
            self.warned += size
            self.warnings.append(warning)
        else:
            self.more_warnings += 1

    def explain(self, path: str) -> None:
        """Drop unknown warnings of a file that is known to have failed: they are explained."""
        rest = [text for text in self.not_understood if not text.startswith(f"{path}: ")]
        self.not_understood = rest


@dataclass(frozen=True, kw_only=True)
class Order:
    """What `borg create` must do. `total_files` is what the last run saw, for the progress.

    In a repository without any archive (`fresh`), every file will be read.
    """

    archive: str
    final: str = ""  # the name that it gets once it is verified
    args: tuple[str, ...] = ()  # options: compression, patterns
    dry_run: bool = False
    fresh: bool = False
    total_files: int | None = None
    named: tuple[str, ...] = ()  # absolute paths that must be in the archive
    sought: frozenset[str] = frozenset()  # paths that a dry run looks for, as borg prints them
    time: str = field(default_factory=timestamp)  # of the archive

    def words(self, *options: str, paths: Sequence[str]) -> list[str]:
        """The words after `borg create`; `options` are the method's own.

        borg fills in the placeholders in the archive's name.
        """
        common = ["--list", *(["--dry-run"] if self.dry_run else ["--json", "--progress"])]
        return [*common, *options, *self.args, f"::{self.archive}", "--", *paths]

    def fits(self, name: str) -> bool:
        """Can borg have made this name from `archive` by filling in its placeholders?"""
        parts = re.split(r"\{[^{}]*\}", self.archive)
        pattern = "[^/\n\ud800-\udfff]+".join(re.escape(part) for part in parts)
        return len(name) <= MAX_NAME and re.fullmatch(pattern, name) is not None


def create(
    borg: Borg, order: Order, words: Sequence[str], *, alive: Callable[[], bool], emit: Emit
) -> Created:
    """Run borg create and watch it and the connection.

    Raises ConnectionLost as soon as `alive()` is false, and borg's errors.
    """
    with borg.running("create", *words) as child:
        return watch(child, borg.client, order, alive=alive, emit=emit)


def watch(
    child: Saying,
    client: str,
    order: Order,
    *,
    alive: Callable[[], bool],
    emit: Emit,
    heard: Callable[[bool], None] = lambda finished: None,
) -> Created:
    """Read a `borg create` to its end. Its JSON may come by standard output or error.

    Each message of progress calls `heard`: has borg read all files, by its own word?
    Raises ConnectionLost as soon as `alive()` is false, and borg's errors.
    """
    progress = _Progress(emit, order.total_files)
    done = Created(fresh=order.fresh, named=Named.of(order.named), sought=order.sought)
    log, said = _Log(), _Said()
    spoke = time.monotonic()
    for item in child.lines():
        if not alive():
            raise ConnectionLost(f"the connection to {client} broke during the run")
        if item is None:
            if time.monotonic() - spoke > IDLE_SECONDS:
                raise ConnectionLost(f"borg says nothing for {client}: {IDLE_SECONDS / 3600:g} h")
            continue
        spoke = time.monotonic()
        stream, line = item
        message = messages.parse(line) if stream == "stderr" else None
        if message is None:
            log.add(line)
        elif message["type"] == "file_status":
            status, path = str(message.get("status")), str(message.get("path"))
            done.count(status, path)
            if (failure := said.judge(status, path)) is not None:
                done.warn(failure)
                done.explain(path)
        elif message["type"] == "archive_progress":
            heard(bool(message.get("finished")))
            progress.tell(message)
        elif message["type"] == "log_message":
            said.add(message)
            _log_message(message, done, log, emit)
    done.returncode = child.wait(60)
    if is_failure(done.returncode):
        if lost(alive, done.returncode, "\n".join(log.lines)):
            raise ConnectionLost(f"the connection to {client} broke during the run")
        raise messages.from_exit(done.returncode, "\n".join(log.lines), client)
    with contextlib.suppress(ValueError, KeyError, TypeError, RecursionError, OverflowError):
        done.name, done.stats = _stats(b"".join(log.json))
    return done


def _stats(text: bytes) -> tuple[str, dict[str, Any]]:
    """The archive's name and borg's JSON on it. Raises any error that a client's text causes."""
    archive = json.loads(text)["archive"]
    numbers = {name: number(int(archive["stats"][name])) for name in NUMBERS}
    return str(archive["name"]), {"archive": {"id": str(archive["id"]), "stats": numbers}}


def number(value: object) -> int:
    """A client's number, within limits that every reader can handle; 0 if it is none."""
    return min(max(value, 0), MAX_NUMBER) if isinstance(value, int) else 0


class _Log:
    """The last lines of plain text, and borg's own JSON if it came among them."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.json: list[bytes] = []  # borg indents it: a `{` alone begins it, a `}` alone ends it
        self._size = 0  # of the JSON, in bytes

    def add(self, line: bytes) -> None:
        bare = line.rstrip()
        if bare == b"{" or (self.json and self.json[-1].rstrip() != b"}"):
            if bare == b"{":
                self.json, self._size = [], 0
            self._size += len(line)
            if self._size <= MAX_JSON:
                self.json.append(line)
        else:
            self.text(line.decode(errors="replace").rstrip())

    def text(self, text: str) -> None:
        self.lines.append(text)
        del self.lines[:-LOG_LINES]


def _log_message(message: dict[str, Any], done: Created, log: _Log, emit: Emit) -> None:
    found = messages.file_warning(message)
    if found is not None:
        done.warn(found)
        return
    if (unknown := messages.not_understood(message)) and len(done.not_understood) < KEPT_PATHS:
        done.not_understood.append(unknown[:MAX_NAME])
    text = str(message.get("message", ""))
    log.text(text)
    events.debug(emit, f"borg: {text}")


class _Said:
    """borg's warnings since its last line on a file.

    borg warns of a file, and marks it as failed (status E) just after that (borg 1.1 to 1.4,
    archiver.py, _process_any and _rec_walk). A mark without a known warning means lost data, even
    if there are other warnings.
    """

    def __init__(self) -> None:
        self._texts: list[str] = []
        self._understood: list[str] = []

    def add(self, message: dict[str, Any]) -> None:
        if message.get("levelname") != "WARNING":
            return
        found = messages.file_warning(message)
        if found is not None and found.kind == messages.ATTRIBUTE:
            return  # a failure of the file itself has a warning of its own
        if found is not None:
            self._understood = [*self._understood[-KEPT_PATHS:], found.path]
        else:
            self._texts = [*self._texts[-KEPT_PATHS:], str(message.get("message", ""))]

    def judge(self, status: str, path: str) -> FileWarning | None:
        """The failure of a file without a known warning, if this line marks one."""
        understood, texts, self._texts, self._understood = self._understood, self._texts, [], []
        if status != "E" or path in understood:
            return None
        text = next((text for text in texts if text.startswith(f"{path}: ")), "")
        return FileWarning(
            messages.NOT_SAID, path, 0, text.removeprefix(f"{path}: ") or "borg does not say why"
        )


class _Progress:
    """borg's progress as events, at most five a second."""

    def __init__(self, emit: Emit, total_files: int | None) -> None:
        self.emit, self._total, self._next = emit, total_files, 0.0

    def tell(self, message: dict[str, Any]) -> None:
        if message.get("finished") or time.monotonic() < self._next:
            return
        self._next = time.monotonic() + 0.2
        files, size, new = (number(message.get(name)) for name in NUMBERS)
        data = {
            "files": files,
            "bytes": size,
            "new_bytes": new,
            "path": str(message.get("path", "")),
            "total_files": self._total,
        }
        self.emit(Event("progress", data))
