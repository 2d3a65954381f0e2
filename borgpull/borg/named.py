"""Are the named paths in an archive, and is anything in the named folders?

borg silently leaves out excluded paths, sockets, and the second of two named paths that are one
inode (borgbackup/borg#10388). Its lines on each item show most of what is there. The archive is
listed only for the rest.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from borgpull.borg.command import Borg, location
from borgpull.borg.patterns import alternatives, literal
from borgpull.trees.folders import lies_in

# borg's status letters of items that are in the archive. Symlinks are missing: they are looked at.
SAVED = "AMCUhdfbc"
FORMAT = "{type}{TAB}{path}{NUL}"
# Linux limits a word of a command line (MAX_ARG_STRLEN, 32 pages of 4 KiB).
MAX_WORD = 100_000


@dataclass
class Named:
    """The named paths that are known to be in the archive; names as borg prints them."""

    item: set[str] = field(default_factory=set)
    content: set[str] = field(default_factory=set)
    folders: set[str] = field(default_factory=set)
    links: set[str] = field(default_factory=set)
    # The paths of which not everything is known yet.
    open: set[str] = field(default_factory=set)
    settled: bool = False  # is no more to be learnt of them?

    @classmethod
    def of(cls, paths: Iterable[str]) -> Named:
        """`paths` are absolute."""
        return cls(open={relative(path) for path in paths})

    def see(self, status: str, path: str) -> None:
        """Note a line of borg. It has question marks for bytes that are no UTF-8."""
        if not self.open or status not in SAVED:
            return
        self.add("d" if status == "d" else "-", path, certain="?" not in path)

    def add(self, kind: str, path: str, *, certain: bool = True) -> None:
        """Note an item of the archive; `kind` is a letter of `ls -l`."""
        for name in list(self.open):
            if path == name and certain:
                self.item.add(name)
                if kind == "d":
                    self.folders.add(name)
                elif kind == "l":
                    self.links.add(name)
            elif path != name and (name == "." or lies_in(path, name)):
                self.content.add(name)
            if name in self.item and (name in self.content or name not in self.folders):
                self.open.discard(name)

    def settle(self, found: Mapping[str, tuple[str, bool]]) -> None:
        """Note all that there is: by path, the kind as for `add`, and if anything is in it."""
        for path, (kind, content) in found.items():
            if content:
                self.content.add(path)
            self.add(kind, path)
        self.settled = True

    def lacks(self, empty: Iterable[str]) -> list[str]:
        """The paths (absolute) that are missing or bare; `empty` are folders that may be bare."""
        without = {relative(path) for path in empty}
        bare = {name for name in self.open & self.item if name not in without}
        return sorted(absolute(name) for name in (self.open - self.item) | bare)


def look(borg: Borg, archive: str, named: Named) -> None:
    """Look for the open paths in the archive's listing. Raises borg's errors."""
    children = [f"{literal(name)}(?:/[^/]+)?" for name in named.open if name != "."]
    wanted = alternatives([*children, *(["[^/]+"] if "." in named.open else [])])
    only = ["--pattern", f"+ re:^{wanted}$", "--pattern", "- re:."]
    rest = b""

    def take(block: bytes) -> None:
        nonlocal rest
        *whole, rest = (rest + block).split(b"\0")
        for line in whole:
            kind, _, path = line.decode(errors="replace").partition("\t")
            named.add(kind, path)

    words = ["--bypass-lock", "--format", FORMAT]
    short = len(wanted) < MAX_WORD
    borg.run("list", *words, *(only if short else []), location(archive), sink=take)


def relative(path: str) -> str:
    return path.strip("/") or "."


def absolute(name: str) -> str:
    return "/" if name in ("", ".") else f"/{name}"
