"""Values as text that is harmless for people: on a terminal, in a report."""

from __future__ import annotations

import unicodedata

# Categories that move the cursor, hide or reorder text: controls, formats, surrogates, separators.
_UNSAFE = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}


def safe(text: object) -> str:
    """Text of the client made harmless: everything unprintable becomes an escape."""
    word = str(text)
    if word.isprintable():  # nearly all are, and a report may have very many
        return word
    return "".join(
        char.encode("unicode_escape", "surrogatepass").decode()
        if unicodedata.category(char) in _UNSAFE
        else char
        for char in word
    )


def size(number: float) -> str:
    for unit in ("B", "kB", "MB", "GB"):
        if abs(number) < 1000:
            return f"{number:.0f} {unit}" if unit == "B" else f"{number:.1f} {unit}"
        number /= 1000
    return f"{number:.1f} TB"
