"""What the user sees: progress bars on a terminal, plain lines in a log, JSON lines with --json."""

from __future__ import annotations

import sys
import time
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Self

from borgpull.errors import Told
from borgpull.events import Event
from borgpull.model import Failure, Result

if TYPE_CHECKING:
    from borgpull.cli.bars import Bars

LOG_SECONDS = 10.0
# Categories that move the cursor, hide or reorder text: controls, formats, surrogates, separators.
_UNSAFE = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}


def safe(text: object) -> str:
    """Text of the client made harmless for a terminal: everything unprintable becomes an escape."""
    return "".join(
        char.encode("unicode_escape", "surrogatepass").decode()
        if unicodedata.category(char) in _UNSAFE
        else char
        for char in str(text)
    )


def size(number: float) -> str:
    for unit in ("B", "kB", "MB", "GB"):
        if abs(number) < 1000:
            return f"{number:.0f} {unit}" if unit == "B" else f"{number:.1f} {unit}"
        number /= 1000
    return f"{number:.1f} TB"


class Screen:
    """An `Emit` with a beginning and an end (`with`)."""

    def __init__(self, *, json_lines: bool, verbose: bool) -> None:
        self.json_lines, self.verbose = json_lines, verbose
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
        """The terminal is somebody else's meanwhile."""
        if self._bars is not None:
            self._bars.stop()
        yield
        if self._bars is not None:
            self._bars.start()

    def __call__(self, event: Event) -> None:
        if self.json_lines:
            # Of items there may be a million; each would be a packet of the engine's. What comes
            # after them takes them along.
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
        owner = owner_of(data)
        path, target = safe(data["path"]), safe(data.get("linktarget") or data.get("source") or "")
        arrow = f" -> {target}" if target and data["type"] == "l" else ""
        mtime = (data["mtime"] or "?")[:19]
        left = f"{data['mode']} {safe(owner):<16} {data['size']:>12} {mtime}"
        print(f"{left} {path}{arrow}{_archive(data)}")

    def error(self, error: Told, verb: str, client: str) -> None:
        """One line and one hint; with --json the result."""
        if self.json_lines:
            failure = Failure(
                exit_code=error.exit_code,
                error=type(error).__name__,
                message=error.message,
                hint=error.hint,
            )
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
        for line in summary(result):
            print(line)
        if result.failure is not None:
            self._failure(result.failure.message, result.failure.hint)


def _numbers(data: dict[str, Any]) -> str:
    """How far it is: a backup knows what is new, a restore how much there is."""
    if "total_bytes" in data:
        return f"{data['files']} items, {size(data['bytes'])} of {size(data['total_bytes'])}"
    return f"{data['files']} files, {size(data['bytes'])}, {size(data['new_bytes'])} new"


def owner_of(data: dict[str, Any]) -> str:
    """User and group of an item, their numbers where they have no names."""
    names = (data["user"], data["uid"]), (data["group"], data["gid"])
    return " ".join(
        str(next((word for word in pair if word not in (None, "")), "?")) for pair in names
    )


def _archive(data: dict[str, Any]) -> str:
    """Where `find` has found it."""
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


def summary(result: Result) -> list[str]:
    """The last lines of a verb, for people."""
    data = result.data
    if result.verb == "restore":
        return _restore(data)
    if data.get("dry_run"):
        return [f"dry run: {data['items']} items would be saved; nothing was written"]
    if "files_read" in data:
        return _backup(data)
    if result.verb == "init":
        return [f"the repository of {safe(result.client)} is ready ({data['encryption']})"]
    if result.verb == "trust":
        return [f"pinned for {data['host']}: {safe(text)}" for text in data["pinned"]]
    if result.verb == "list" and "archives" in data:
        return _list(data) or ["no archives yet"]
    if result.verb == "info":
        return _info(result.client, data)
    if result.verb == "browse":
        return _browse(data)
    if result.verb == "find":
        return [f"{data['found']} found in {data['archives']} archives"]
    if result.verb == "diff":
        return [f"{data['differences']} differences"]
    if result.verb == "acknowledge":
        lost = [f"acknowledged: {_vanished(item)}" for item in data["acknowledged"]]
        return lost or ["nothing has vanished"]
    if result.verb == "tidy":
        return [f"freed {safe(name)}" for name in data["freed"]] or ["nothing to tidy"]
    if result.verb == "doctor":
        marks = {True: "ok  ", False: "FAIL", None: "note"}
        return [line for item in data["checks"] for line in _check(marks[item["ok"]], item)]
    return []


def _list(data: dict[str, Any]) -> list[str]:
    rows = [
        f"{safe(item['name']):<50} {item['time'][:19]}"
        + ("" if item["verified"] else "  UNVERIFIED")
        for item in data["archives"]
    ]
    return rows + [_vanished(item) for item in data["vanished"]]


def _vanished(item: dict[str, Any]) -> str:
    how = "VANISHED, another has its name" if item["replaced"] else "VANISHED"
    return f"{safe(item['name']):<50} {item['time'][:19]}  {how}"


def _backup(data: dict[str, Any]) -> list[str]:
    kinds = {"-": "files", "d": "folders", "l": "symlinks", "p": "FIFOs", "s": "sockets"}
    kinds |= {"b": "block devices", "c": "character devices", "h": "hard links"}
    items = ", ".join(f"{count} {kinds.get(kind, kind)}" for kind, count in data["items"].items())
    return [
        f"archive {safe(data['archive'])} is verified",
        f"  {items}; {size(data['bytes'])} of content",
        f"  read {data['files_read']} files, {data['files_unchanged']} unchanged",
        f"  {size(data['new_bytes'])} new in the repository; {data['seconds']:.1f} s",
    ]


def _restore(data: dict[str, Any]) -> list[str]:
    dry = "dry run: nothing was written; " if data.get("dry_run") else ""
    done = f"{data['skipped']} files were right, {data['overwritten']} overwritten"
    items = f"{data['items']} items, {size(data['bytes'])}"
    lines = [f"{dry}{safe(data['archive'])} to {safe(data['to'])}: {items}; {done}"]
    lines += [f"  would be overwritten: {safe(path)}" for path in data["overwritten_paths"] if dry]
    return lines


def _browse(data: dict[str, Any]) -> list[str]:
    if "path" in data:
        where = f"{safe(data['path'])} of {safe(data['archive'])}"
        return [f"{data['items']} items in {where}, {size(data['bytes'])}"]
    return [data["restore"]] if data.get("restore") else []


def _info(client: str, data: dict[str, Any]) -> list[str]:
    stats = data.get("cache", {}).get("stats", {})
    archives = data["archives"]
    lost = f", {archives['vanished']} VANISHED" if archives["vanished"] else ""
    return [
        f"client      {safe(client)}",
        f"repository  {safe(data['repository']['location'])}",
        f"encryption  {safe(data['encryption']['mode'])}",
        f"archives    {archives['verified']} verified, {archives['unverified']} unverified{lost}",
        f"latest      {safe(archives['latest'] or 'none')}",
        f"content     {size(stats.get('total_size', 0))}",
        f"stored      {size(stats.get('unique_csize', 0))}",
    ]


def _check(mark: str, item: dict[str, Any]) -> list[str]:
    lines = [f"{mark} {item['name']}: {safe(item['text'])}"]
    return [*lines, f"     {safe(item['hint'])}"] if item["hint"] else lines
