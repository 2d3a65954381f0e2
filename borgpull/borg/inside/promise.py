"""Which named paths are in an archive that is being made, and whether anything is in them."""

from __future__ import annotations

from collections.abc import Iterable


class Promise:
    """The named paths, without the first slash; `.` stands for all."""

    def __init__(self, paths: Iterable[str]) -> None:
        self.open = set(paths)  # those of which not all is known yet
        self.kinds: dict[str, str] = {}  # by borg's type letters, `-` for a file
        self.content: set[str] = set()  # those with something in them

    def see(self, path: str, kind: str) -> None:
        """Note an item of the archive."""
        if not self.open:
            return
        for name in list(self.open):
            if path == name:
                self.kinds[name] = kind
            elif name == "." or path.startswith(f"{name}/"):
                self.content.add(name)
            if name in self.kinds and (name in self.content or self.kinds[name] != "d"):
                self.open.discard(name)
