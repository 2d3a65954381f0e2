"""What is marked to be restored, and the command line that restores it."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence

from borgpull.cli.text import safe

# A placeholder, which the user must change: no host has this name.
WHERE_TO = "root@HOST:/restore"


class Marks:
    """Marked paths, none of them below another."""

    def __init__(self) -> None:
        self._paths: set[str] = set()

    def __contains__(self, path: str) -> bool:
        return path in self._paths

    def __len__(self) -> int:
        return len(self._paths)

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self._paths))

    def above(self, path: str) -> str | None:
        """The marked folder above this path, which brings the path back with it."""
        while path != "/":
            path = path.rpartition("/")[0] or "/"
            if path in self._paths:
                return path
        return None

    def toggle(self, path: str) -> None:
        """Mark a path, or take its mark off.

        A folder's mark replaces those below it. A path below a marked folder cannot be marked.
        """
        if path in self._paths:
            self._paths.remove(path)
        elif self.above(path) is None:
            below = path.rstrip("/") + "/"
            self._paths = {other for other in self._paths if not other.startswith(below)} | {path}


def is_text(path: str) -> bool:
    """False if it holds bytes that are no UTF-8."""
    return not any("\ud800" <= char <= "\udfff" for char in path)


def restore_line(client: str, archive: str, paths: Sequence[str], options: Sequence[str]) -> str:
    """One line for a shell, whatever bytes are in the names. / stands for all of the archive."""
    words = [client, archive, *(path for path in paths if path != "/")]
    to = ["--to", WHERE_TO, *options]
    if archive.startswith("-"):  # a client may name its archives as it likes
        return shell_line(["borgpull", "restore", *to, "--", *words])
    return shell_line(["borgpull", "restore", *words, *to])


def shell_line(words: Sequence[str]) -> str:
    return " ".join(map(_quoted, words))


def _quoted(word: str) -> str:
    """As `shlex.quote`, but what a terminal must not show is written as its bytes: $'caf\\351'."""
    if safe(word) == word:
        return shlex.quote(word)
    return "$'" + "".join(map(_quoted_char, word)) + "'"


def _quoted_char(char: str) -> str:
    if safe(char) == char and char not in "\\'!":
        return char
    return "".join(f"\\{byte:03o}" for byte in char.encode(errors="surrogateescape"))
