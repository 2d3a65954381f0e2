"""borg's patterns: which ones a user may write, what they match, and how our own are written.

The rules are those of borg's own patterns.py and shellpattern.py (1.4.5), without importing borg.
"""

from __future__ import annotations

import fnmatch
import posixpath
import re
from collections.abc import Iterable

from borgpull.errors import UsageError

STYLES = ("fm", "sh", "re", "pp", "pf")
# An anchor right before a slash, in a regular expression without its classes and escapes.
_ROOTED = re.compile(r"\^(?:\((?:\?:)?)*/")
_ROOT = re.compile(r"(\^|\\A)((?:\((?:\?:)?)*)\\?/")
_ATOM = re.compile(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]", re.DOTALL)


def check(pattern: str, option: str) -> str:
    """Check a pattern for borg's --exclude; returns it unchanged.

    Raises UsageError, which names the option, if borg would refuse it or can never match it.
    """
    style, text = _split(pattern)
    if style not in STYLES:
        raise UsageError(
            f"{option} {pattern!r}: borg has no pattern style {style!r}",
            hint=f"the styles are {', '.join(STYLES)}; write fm:{pattern} if you mean a file name",
        )
    try:
        _regex(style, text)
    except (re.error, OverflowError, RecursionError) as error:
        raise UsageError(
            f"{option} {pattern!r} is no valid pattern: {error}", hint="see: borg help patterns"
        ) from None
    bare = _ATOM.sub(_skeleton, text) if style == "re" else ""
    if _ROOTED.search(bare):
        raise UsageError(
            f"{option} {pattern!r} can never match: borg's paths begin without a slash",
            hint=f"write it like {_ROOT.sub(_unrooted, pattern)!r}",
        )
    return pattern


def matches(pattern: str, path: str) -> bool:
    """Does a pattern that `check` has passed leave out this absolute path?"""
    style, text = _split(pattern)
    name = path.strip("/") or "."
    if style == "pf":
        return name == posixpath.normpath(text).lstrip("/")
    if style == "pp":
        return f"{name}/".startswith((posixpath.normpath(text).rstrip("/") + "/").lstrip("/"))
    found = _regex(style, text)
    return (found.search(name) if style == "re" else found.match(f"{name}/")) is not None


def literal(path: str) -> str:
    """A regular expression for an absolute path, as borg names it, in ASCII letters only.

    borg reads a pattern file as text, line by line, and fails for bytes that are no UTF-8. In names
    it turns them into lone surrogates, which an escape can express.
    """
    return "".join(map(_escaped, path.strip("/") or "."))


def alternatives(names: Iterable[str]) -> str:
    """One pattern for all names: borg tries its patterns one by one, for each file."""
    return f"(?:{'|'.join(names)})"


def _escaped(char: str) -> str:
    if char.isascii() and (char.isalnum() or char in "/_"):
        return char
    code = ord(char)
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def _skeleton(atom: re.Match[str]) -> str:
    """The kind of an escape or a class: "^" for an anchor, "/" for a slash, "x" for others."""
    return {r"\A": "^", r"\/": "/"}.get(atom[0], "x")


def _unrooted(found: re.Match[str]) -> str:
    return found[1] + found[2]


def _split(pattern: str) -> tuple[str, str]:
    if len(pattern) > 2 and pattern[2] == ":" and pattern[:2].isalnum():
        return pattern[:2], pattern[3:]
    return "fm", pattern


def _regex(style: str, text: str) -> re.Pattern[str]:
    """Raises re.error."""
    if style == "re":
        return re.compile(text)
    folder, end = posixpath.normpath(text).rstrip("/"), "/" * text.endswith("/")
    if style == "sh":
        return re.compile(_shell(f"{folder}/**/*{end}".lstrip("/")))
    return re.compile(fnmatch.translate(f"{folder}/*{end}".lstrip("/")))


def _shell(pattern: str) -> str:
    """A regular expression for borg's style `sh`: `*` and `?` stop at slashes, `**/` does not."""
    parts = re.findall(r"\*\*/|\*|\?|\[!?+(?:\][^\]]*|[^\]]+)\]|.", pattern, re.DOTALL)
    return "(?ms)" + "".join(map(_shell_part, parts)) + r"\Z"


def _shell_part(part: str) -> str:
    if len(part) == 1 or part == "**/":
        fixed = {"**/": "(?:[^/]*/)*", "*": "[^/]*", "?": "[^/]"}
        return fixed.get(part, re.escape(part))
    stuff = part[1:-1].replace("\\", "\\\\")
    if stuff.startswith("!"):
        return f"[^{stuff[1:]}]"
    return f"[\\{stuff}]" if stuff.startswith("^") else f"[{stuff}]"
