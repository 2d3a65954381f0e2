"""XML and HTML that are whole by the way they are made: a text gets in as a text only."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from typing import Final

from borgpull.plain import safe


class Markup(str):
    """Text that is markup already."""

    __slots__ = ()


NOTHING: Final = Markup()


def text(value: object) -> Markup:
    """Markup as it is; of all else its text, escaped. What cannot be printed is an escape."""
    return value if isinstance(value, Markup) else Markup(escape(safe(value)))


def lines(values: Iterable[str], most: int, rest: str) -> Markup:
    """Texts, a line each, of at most `most` bytes. Of others `rest` is said, with {} their number.

    A text has no ends of lines: they become escapes.
    """
    found: list[Markup] = []
    size = 0
    for number, value in enumerate(values):
        line = text(value)
        size += len(line.encode()) + 1
        if size > most:
            return Markup("\n".join([*found, text(rest.format(number))]))
        found.append(line)
    return Markup("\n".join(found))


def joined(*parts: object) -> Markup:
    return Markup("".join(text(part) for part in parts))


def element(name: str, /, *children: object, **attributes: object) -> Markup:
    """An element with both its tags. An attribute that is None is left out.

    `class_` is class, and `stroke_width` is stroke-width.
    """
    words = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{text(value)}"'
        for key, value in attributes.items()
        if value is not None
    )
    return Markup(f"<{name}{words}>{joined(*children)}</{name}>")
