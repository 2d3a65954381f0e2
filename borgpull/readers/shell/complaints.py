"""What the tools of a client complain of while they list: names that were gone when their turn
came, and all else.

GNU's find writes a name as C does, and its stat as a shell does. busybox's tools quote nothing.
"""

from __future__ import annotations

import re

_GONE = rb"(?:No such file or directory|Not a directory)"
_BY_FIND = re.compile(rb"(?:/\S*/)?find: (?:'(?P<quoted>/.*)'|(?P<plain>/.*)): " + _GONE, re.DOTALL)
_BY_STAT = re.compile(
    rb"(?:/\S*/)?stat: (?:cannot statx?|can't stat) (?:'(?P<plain>/.*)'|\"(?P<other>/.*)\"): "
    + _GONE,
    re.DOTALL,
)
_ESCAPED = re.compile(rb"\\([0-7]{3}|.)", re.DOTALL)
_LETTERS = {b"a": b"\a", b"b": b"\b", b"f": b"\f", b"n": b"\n", b"r": b"\r", b"t": b"\t"}
_LETTERS[b"v"] = b"\v"
# What GNU's stat writes of a name with several kinds of odd characters.
_IN_PARTS = (b"'\\''", b"'$'", b"''")


def gone(line: bytes) -> bytes | None:
    """The path (absolute) that was gone, by an error line; None if it says something else.

    It is None for a name that the line may not tell, too.
    """
    if found := _BY_FIND.fullmatch(line):
        return found["plain"] or _ESCAPED.sub(_character, found["quoted"])
    if found := _BY_STAT.fullmatch(line):
        if found["other"] is not None:
            return None if re.search(rb'["$`\\!]', found["other"]) else found["other"]
        return None if any(part in found["plain"] for part in _IN_PARTS) else found["plain"]
    return None


def _character(found: re.Match[bytes]) -> bytes:
    text = found[1]
    return bytes([int(text, 8) & 0xFF]) if len(text) == 3 else _LETTERS.get(text, text)
