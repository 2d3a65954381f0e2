"""The regular files that a run has read: all in which its archive differs from the last one, if no
name came and none is gone. So the guard need not go through the others.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from borgpull.borg.inside.fields import stored
from borgpull.borg.inside.slots import Slot

MAX_READS = 20_000  # beyond it, all files are looked at
MAX_PART = 100_000  # characters of the paths in one line
# In borg's cache folder: which archive the files cache is of, and what stat(2) said of it then.
LAST = "borgpull-last"


class Read(NamedTuple):
    """A file, as the manifest has it."""

    path: str
    size: int
    mtime_ns: int
    sum: str | None  # in hexadecimal digits
    flags: int  # of manifest.py: PACKS, HARD


@dataclass
class Reads:
    """Of one run."""

    before: str = ""  # the id of the last archive, if the files cache is as it has left it
    came: int = 0  # unchanged files that this archive did not have, and files beyond MAX_READS
    files: list[Read] = field(default_factory=list)
    _linked: set[bytes] = field(default_factory=set)  # of these: paths of files with several names

    def are_all(self, files_read: int) -> bool:
        """Are they all of so many files that were read, and did no other one come back?"""
        return not self.came and len(self.files) == files_read

    def see(self, slot: Slot, flags: int) -> None:
        """A file was read, and is saved."""
        if len(self.files) == MAX_READS:
            self.came += 1
            return
        found = None if slot.sum is None else slot.sum.hex()
        st = slot.st
        if st.st_nlink > 1:
            self._linked.add(stored(slot.path))
        self.files.append(Read(slot.path, st.st_size, st.st_mtime_ns, found, flags))

    def see_all(self, slots: Sequence[Slot], flags: Sequence[int]) -> None:
        """As `see` of each one."""
        room = MAX_READS - len(self.files)
        for slot, its in zip(slots[:room], flags, strict=False):
            self.see(slot, its)
        self.came += max(0, len(slots) - room)

    def see_name(self, first: bytes) -> None:
        """A further name of `first` is saved. It may have been another file's until now."""
        self.came += first in self._linked

    def parts(self) -> Iterator[dict[str, Any]]:
        """The same in parts for `add`: no line of our own may be as long as all paths.

        Files that are not all are of no use.
        """
        yield {"before": self.before, "came": self.came, "files": []}
        part: list[Read] = []
        size = 0
        for one in self.files if not self.came else ():
            part.append(one)
            size += len(one.path) + 100
            if size > MAX_PART:
                yield {"files": part}
                part, size = [], 0
        yield {"files": part}

    def add(self, part: dict[str, Any]) -> None:
        self.before = part.get("before", self.before)
        self.came += part.get("came", 0)
        self.files += [Read(*one) for one in part["files"]]


class Last(NamedTuple):
    """What a run leaves for the next one."""

    id: str = ""  # of its archive, if the files cache is still that run's
    listing: bool = False  # is it that run's, too?
    began: int = 0  # at which Unix time by the client's clock; 0 if no file is to be brief
    odd: Sequence[int] | None = None  # inodes of small files that are not to be, if known
    view: dict[str, Any] | None = None  # as in brief.py


def last(cache: Any, listing: Path) -> Last:
    """What the last one has left, if it is as it was then."""
    with contextlib.suppress(OSError, ValueError, TypeError, KeyError):
        found = json.loads((Path(cache.path) / LAST).read_bytes())
        if found["files"] == _state(_files(cache)):
            listed = found.get("listing")
            fits = listed is not None and listed == _state(listing)
            if not fits:
                return Last(str(found["id"]))
            odd, view = found.get("odd"), found.get("view")
            odd = odd if odd is None else [*map(int, odd)]
            view = view and {"by": str(view["by"]), "devices": dict(view["devices"])}
            return Last(str(found["id"]), True, int(found.get("began", 0)), odd, view)
    return Last()


def keep(cache: Any, left: Last, listing: Path) -> None:
    """This run's archive has its name, and the files cache is written, and its listing, if any."""
    with contextlib.suppress(OSError):
        found: dict[str, Any] = {"id": left.id, "files": _state(_files(cache))}
        if left.listing:
            more = {"began": left.began, "odd": left.odd, "view": left.view}
            found |= {"listing": _state(listing), **more}
        path = Path(cache.path) / LAST
        fresh = path.with_name(f"{LAST}.new")
        fresh.write_text(json.dumps(found))
        fresh.replace(path)


def _files(cache: Any) -> Path:
    from borg.cache import files_cache_name  # type: ignore[import-not-found]

    return Path(cache.path, files_cache_name())


def _state(path: Path) -> list[int]:
    """Raises OSError."""
    found = path.stat()
    return [found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns]
