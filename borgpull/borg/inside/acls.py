"""ACLs as borg stores them: the text of acl_to_text(3), with a number after each name."""

from __future__ import annotations

import os
import re
from typing import NamedTuple

# Tags of entries (linux/posix_acl.h): the owner's, a named one, and those that have no name.
_TAGS = {"user": (0x01, 0x02), "group": (0x04, 0x08), "mask": (0x10, 0x10), "other": (0x20, 0x20)}
_BITS = {"r": 4, "w": 2, "x": 1, "-": 0}


_ESCAPED = re.compile(rb"\\([0-7]{3})")  # as acl_to_text(3) writes a blank in a name
UNKNOWN = 0xFFFFFFFF  # no id of anybody: chown(2)


class Entry(NamedTuple):
    """An entry; number and name are for a named user or group alone. The number may be UNKNOWN."""

    tag: int
    bits: int
    number: int = 0
    name: str | None = None


def entries(text: bytes, *, numeric: bool) -> list[Entry]:
    """The entries of an ACL, without names if `numeric`. Raises ValueError."""
    lines = (
        line.partition("#")[0].strip() for line in text.decode(errors="surrogateescape").split("\n")
    )
    return [_entry(line, numeric=numeric) for line in lines if line]


def _entry(line: str, *, numeric: bool) -> Entry:
    """borg 1.4.5 has the number in a fourth field, if there is a name (platform/linux.pyx).

    A tab may be before it, and was before a comment that borg has cut off.
    """
    kind, name, rights, *more = (field.strip() for field in line.split(":"))
    name = _unescaped(name)
    if kind not in _TAGS or not rights or any(letter not in _BITS for letter in rights):
        raise ValueError(f"{line[:80]!r} is no entry of an ACL")
    bits = sum(_BITS[letter] for letter in set(rights))
    if not name:
        return Entry(_TAGS[kind][0], bits)
    if more and not more[0].isdecimal() and not numeric and _unescaped(more[0]) == name:
        return Entry(_TAGS[kind][1], bits, UNKNOWN, name)  # borg has not found its number
    number = int(more[0] if more else name)
    if not 0 <= number < 1 << 32:
        raise ValueError(f"{number} is no id of a user or group")
    return Entry(_TAGS[kind][1], bits, number, None if numeric else name)


def _unescaped(name: str) -> str:
    found = _ESCAPED.sub(lambda one: bytes((int(one[1], 8) & 0xFF,)), os.fsencode(name))
    return os.fsdecode(found)
