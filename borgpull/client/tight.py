"""A Python program in fewer bytes: a line of authorized_keys may have 16 KiB (OpenSSH 7.x)."""

from __future__ import annotations

import base64
import io
import re
import tokenize
import zlib
from collections.abc import Iterator, Sequence

UNPACK = "zlib.decompress(base64.b64decode(sys.argv.pop(1)))"  # takes apart the word of `packed`
_QUOTES = "\"'"
_COMPOUND = re.compile("(if|for|while|try|with|def|class)\\b|@")


def packed(text: str) -> str:
    return base64.b64encode(zlib.compress(text.encode(), 9)).decode()


def tight(text: str) -> str:
    """The same program without the spaces and lines that no Python needs.

    It is for our own texts, which have no f-string, no `async`, and no two strings in a row.
    """
    lines: list[str] = []
    line, last = "", ""
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.NEWLINE:
            lines.append(line + "\n")
            line, last = "", ""
        elif token.string.strip() and token.type != tokenize.COMMENT:
            first = token.string[0]
            if not line:
                line = " " * token.start[1]
            elif _is_of_word(last[-1]) and (_is_of_word(first) or first in _QUOTES):
                line += " "
            last = token.string
            line += last
    return "".join(_joined(lines))


def _joined(lines: Sequence[str]) -> Iterator[str]:
    """A block of one simple statement stands behind its head, in one line."""
    depths = [len(line) - len(line.lstrip()) for line in lines] + [0, 0]
    at = 0
    while at < len(lines):
        line, inner = lines[at], lines[at + 1].strip() if at + 1 < len(lines) else ""
        if depths[at] < depths[at + 1] > depths[at + 2] and not _COMPOUND.match(inner):
            yield f"{line[:-1]}{inner}\n"
            at += 1
        else:
            yield line
        at += 1


def _is_of_word(char: str) -> bool:
    return char.isalnum() or char == "_"
