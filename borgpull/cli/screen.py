"""What the user sees: progress bars on a terminal, plain lines in a log, JSON lines with --json."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Self

from borgpull.cli.text import owner_of, safe, size, when
from borgpull.errors import Told
from borgpull.events import Event
from borgpull.results import Failure, Result

if TYPE_CHECKING:
    from borgpull.cli.bars import Bars

LOG_SECONDS = 10.0


class Screen:
    """An `Emit` with a beginning and an end (`with`)."""

    def __init__(self, *, json_lines: bool, verbose: bool) -> None:
        self.json_lines, self.verbose = json_lines, verbose
        self.warnings = 0  # so many were there
        self._bars: Bars | None = None
        self._next = 0.0

    def __enter__(self) -> Self:
        if sys.stderr.isatty() and not self.json_lines:
            # Late: a log needs nothing of rich, which takes a fifth of the time to start.
            from borgpull.cli.bars import Bars

            self._bars = Bars()
            self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._bars is not None:
            self._bars.stop()
            self._bars = None

    @contextmanager
    def aside(self) -> Iterator[None]:
        """Leave the terminal to another program meanwhile."""
        if self._bars is not None:
            self._bars.stop()
        yield
        if self._bars is not None:
            self._bars.start()

    def __call__(self, event: Event) -> None:
        self.warnings += event.kind == "warning"
        if self.json_lines:
            # There may be a million items, and each flush is one packet through the engine. The
            # next event that is not an item flushes them.
            print(event.to_json(), flush=event.kind != "item")
            return
        handler = getattr(self, f"_{event.kind}", None)
        if handler is not None:
            handler(event.data)

    def _line(self, text: str, style: str | None = None) -> None:
        if self._bars is not None:
            self._bars.line(text, style)
        else:
            print(text, file=sys.stderr, flush=True)

    def _phase(self, data: dict[str, Any]) -> None:
        self._line(safe(data["text"]), style="bold")
        if self._bars is not None:
            self._bars.begin(safe(data["name"]))

    def _progress(self, data: dict[str, Any]) -> None:
        numbers = _numbers(data)
        path = safe(data["path"])
        if not data["files"]:
            return
        if self._bars is not None:
            self._bars.update(data["files"], data.get("total_files"), numbers, path)
        elif time.monotonic() >= self._next:
            self._next = time.monotonic() + LOG_SECONDS
            self._line(f"{numbers}, at {path}")

    def _note(self, data: dict[str, Any]) -> None:
        self._line(f"note: {safe(data['text'])}{_path(data)}")

    def _warning(self, data: dict[str, Any]) -> None:
        self._line(f"warning: {safe(data['text'])}{_path(data)}", style="yellow")

    def _debug(self, data: dict[str, Any]) -> None:
        if self.verbose:
            self._line(f"debug: {safe(data['text'])}")

    def _item(self, data: dict[str, Any]) -> None:
        if "changes" in data:
            print(f"{safe(_changes(data['changes'])):<40} {safe(data['path'])}")
            return
        if "kept_by" in data:
            rule = data["kept_by"]
            why = f"keeps ({safe(rule)})" if rule else "goes"
            print(f"{safe(data['archive']):<50} {when(data['time'])}  {why}")
            return
        owner = owner_of(data)
        path, target = safe(data["path"]), safe(data.get("linktarget") or data.get("source") or "")
        arrow = f" -> {target}" if target and data["type"] == "l" else ""
        left = f"{data['mode']} {safe(owner):<16} {data['size']:>12} {when(data['mtime'])}"
        print(f"{left} {path}{arrow}{_archive(data)}")

    def error(self, error: Told, verb: str, client: str) -> None:
        """One line and one hint; with --json the result."""
        if self.json_lines:
            failure = Failure.of(error)
            self.result(Result(verb=verb, client=client, ok=False, failure=failure))
            return
        self._failure(error.message, error.hint)

    def _failure(self, message: str, hint: str) -> None:
        print(f"borgpull: error: {safe(message)}", file=sys.stderr)
        print(f"hint: {safe(hint)}", file=sys.stderr)

    def result(self, result: Result) -> None:
        if self.json_lines:
            print(Event("result", result.to_dict()).to_json(), flush=True)
            return
        from borgpull.cli.summaries import summary  # at the end, and not with --json

        for line in summary(result):
            print(line)
        if result.failure is not None:
            self._failure(result.failure.message, result.failure.hint)


def _numbers(data: dict[str, Any]) -> str:
    """How far it is: a backup knows what is new, a restore how much there is."""
    if "total_bytes" in data:
        return f"{data['files']} items, {size(data['bytes'])} of {size(data['total_bytes'])}"
    return f"{data['files']} files, {size(data['bytes'])}, {size(data['new_bytes'])} new"


def _archive(data: dict[str, Any]) -> str:
    """The archive in which `find` has found an item."""
    return f"  in {safe(data['archive'])}" if "archive" in data else ""


def _changes(changes: list[dict[str, Any]]) -> str:
    """What `borg diff` found of one path, in a few words."""
    sizes = ((" +", "added"), (" -", "removed"), (" ", "size"))
    return ", ".join(
        item["type"] + "".join(f"{sign}{size(item[key])}" for sign, key in sizes if key in item)
        for item in changes
    )


def _path(data: dict[str, Any]) -> str:
    return f": {safe(data['path'])}" if "path" in data else ""
