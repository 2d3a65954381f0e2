"""The file of `--result-file`: the last word of a command, for who sees nothing but its container.

Kubernetes keeps the end of such a file (`terminationMessagePath`) when the pod's logs are gone.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Literal

from borgpull.cli.boundary import Doing, End
from borgpull.cli.text import safe
from borgpull.outputs.ending import Ending
from borgpull.verbs import METHODS

VARIABLE = "BORGPULL_RESULT_FILE"
VERSION: Literal[1] = 1
# Kubernetes keeps no more of a container.
MAX_BYTES = 4096
ELLIPSIS = "\u2026"
# What a text keeps where all are too long, in bytes: together they fit. In this order they are cut.
LEAST = {"hint": 500, "message": 1500, "client": 150, "archive": 900}


@contextlib.contextmanager
def told(doing: Doing) -> Iterator[None]:
    """Write the end of the command inside to the file that it was given, as the last thing.

    An option is known only where a command begins. Before that, the variable counts, and `doing` is
    what is known. A file that cannot be written is a warning. Raises what is raised inside.
    """
    begun = time.monotonic()
    try:
        yield
    except SystemExit as end:
        found = end if isinstance(end, End) else End(_code(end), doing)
        file = found.doing.result_file or os.environ.get(VARIABLE, "")
        if file:
            write(file, ending(found, time.monotonic() - begun))
        raise


def killed(code: int) -> None:
    """The end of a command that could not tell it itself: a signal has ended it."""
    if file := os.environ.get(VARIABLE, ""):
        found = ending(End(code, Doing.of(sys.argv[1:])), 0.0)
        found["message"] = f"ended by signal {code - 128}"
        write(file, found)


def _code(end: SystemExit) -> int:
    """As Python has it."""
    if end.code is None or isinstance(end.code, int):
        return end.code or 0
    return 1


def write(file: str, found: Ending) -> None:
    """In place, as the file may be a mount. A FIFO without a reader is not waited for."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        with open(os.open(file, flags, 0o644), "wb") as stream:
            stream.write(encoded(found))
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        text = f"warning: cannot write the result to {safe(file)}: {reason}"
        with contextlib.suppress(OSError, ValueError):  # its reader may be gone
            print(text, file=sys.stderr, flush=True)


def ending(end: End, seconds: float) -> Ending:
    """What there is to tell. A result counts only if the exit code is its own."""
    result, code = end.result, end.exit_code
    failure = result.failure if result is not None else None
    data = result.data if result is not None and code == 0 else {}
    archive, dry_run = data.get("archive"), data.get("dry_run") is True
    named = isinstance(archive, str)
    return {
        "borgpull": VERSION,
        "verb": end.doing.verb,
        "client": end.doing.client,
        "ok": code == 0,
        "exit_code": code,
        "error": failure.error if failure else None,
        "message": failure.message if failure else "",
        "hint": failure.hint if failure else "",
        "archive": archive if named else None,
        "verified": named and not dry_run and end.doing.verb in METHODS,
        "dry_run": dry_run,
        "warnings": end.warnings,
        "seconds": round(seconds, 3),
        "when": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def encoded(found: Ending) -> bytes:
    """As JSON of at most MAX_BYTES, in ASCII, with texts cut where they must be."""
    texts = {key: safe(text) if isinstance(text, str) else text for key, text in found.items()}
    for key, least in LEAST.items():
        over = len(_json(texts)) - MAX_BYTES
        text = texts[key]
        if over > 0 and isinstance(text, str):
            texts[key] = cut(text, max(least, len(_json(text)) - over))
    return _json(texts)


def _json(value: object) -> bytes:
    return json.dumps(value).encode("ascii")


def cut(text: str, room: int) -> str:
    """The text, or as much of its beginning as takes `room` bytes in JSON with an ellipsis."""
    if len(_json(text)) <= room:
        return text
    room -= len(_json(ELLIPSIS))
    for number, char in enumerate(text):
        room -= len(_json(char)) - 2  # without the quotes
        if room < 0:
            return text[:number] + ELLIPSIS
    return text
