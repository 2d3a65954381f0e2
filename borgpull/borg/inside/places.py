"""Where the entries of a listing are: their paths, as borg has them, or that they are left out."""

from __future__ import annotations

from collections.abc import Sequence

from borgpull.borg.inside import wire
from borgpull.borg.inside.matcher import Wanted
from borgpull.borg.inside.wire import BadFrame


class Places:
    """Follows a listing, which goes depth first."""

    def __init__(self, roots: Sequence[str], wanted: Wanted | None) -> None:
        """`roots` are named paths without the first slash, `.` for all, in the listing's order."""
        self._roots, self._root, self._wanted = list(roots), "", wanted
        self._inside = True
        # What is before the names in the folders that are open, by depth. None: nothing is saved.
        self._before: list[str | None] = [""]

    @property
    def chooses(self) -> bool:
        """Must `saves` be asked?"""
        return self._wanted is not None

    def before(self, depth: int) -> str | None:
        """What is before the names in an open folder; None if `path` is to look at an entry."""
        if not 0 < depth < len(self._before):
            return None
        if len(self._before) > depth + 1:
            del self._before[depth + 1 :]
        return self._before[depth]

    def path(self, depth: int, name: bytes) -> str | None:
        """The path of an entry; None if it is left out. Raises BadFrame."""
        text = name.decode(errors="surrogateescape")
        if depth == 0 and text != self._root:
            if text not in self._roots:
                raise BadFrame(f"a path that was not asked for: {name[:99]!r}")
            del self._roots[: self._roots.index(text) + 1]
            self._root = text
        if depth >= len(self._before):
            raise BadFrame(f"an entry at depth {depth}, in no folder")
        if len(self._before) > depth + 1:
            del self._before[depth + 1 :]
        before = self._before[depth]
        if before is None:
            return None
        path = before + text
        if len(path) > wire.MAX_PATH:
            raise BadFrame(f"a path of {len(path)} characters")
        return path

    def saves(self, path: str) -> bool:
        """Is it saved? To be called for each entry that has a path."""
        saved, self._inside = self._wanted(path) if self._wanted else (True, True)
        return saved

    def enter(self, path: str | None) -> bool:
        """The entry is a folder. Will anything in it be saved?"""
        inside = path is not None and self._inside
        before = "" if path == "." else f"{path}/"
        self._before.append(before if inside else None)
        return inside
