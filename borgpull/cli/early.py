"""What is begun before a command line is read: it takes as long as all that comes before its use.

So nothing is imported here but what that needs, nor in the modules that it imports.
"""

from __future__ import annotations

import contextlib
import signal
import sys
from collections.abc import Iterator, Sequence

from borgpull import process
from borgpull.borg import loading

# The verb that has an engine.
VERB = "stream"


@contextlib.contextmanager
def engine(words: Sequence[str], line: bytes | None) -> Iterator[None]:
    """An engine that loads its code, for these first words of a command line, or the line of a job.

    Wrong words come out later. Then the engine ends with this block, and has opened nothing.
    """
    verb = words[0] if words and line is None else verb_of(line or b"")
    if verb != VERB:
        yield
        return
    process.as_batch()
    with loading.ahead():
        yield


def first_line() -> bytes:
    """The job of a launcher: a line of standard input. Raises SystemExit."""
    try:
        return sys.stdin.buffer.readline() if sys.stdin is not None else b""
    except KeyboardInterrupt:
        raise SystemExit(128 + signal.SIGINT) from None


def verb_of(line: bytes) -> str:
    """Of a job, if it has one: whether it is good is found out later."""
    import json

    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return ""
    verb = found.get("verb") if isinstance(found, dict) else None
    return verb if isinstance(verb, str) else ""
