"""What is in an archive, name by name, as a restore needs to know it."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from borgpull.borg.command import Borg
from borgpull.borg.spares import Spares
from borgpull.errors import NotInArchive

# `borg list` with the bytes of each name (`exact.py` says why).
EXACT = (sys.executable, "-P", "-m", "borgpull.borg.exact")


@dataclass(frozen=True, kw_only=True)
class Item:
    """One item of an archive. Names may hold surrogates, which stand for bytes that are no text."""

    path: str  # in the archive
    place: str  # where it will be, below the target folder
    mode: str  # as `ls -l` has it
    size: int
    mtime_ns: int
    uid: int
    gid: int
    user: str | int  # the id where there was no name
    group: str | int
    target: str = ""  # what a symlink points at
    links: str = ""  # the first name of its hard links, if it has any
    xattrs: int = 0  # how many it has, file capabilities among them
    acls: bool = False
    flags: int = 0  # of chattr(1), as borg stores them

    @property
    def kind(self) -> str:
        """The first letter of `ls -l`."""
        return self.mode[0]

    @property
    def regular(self) -> bool:
        return self.kind == "-"

    @property
    def first_name(self) -> bool:
        """Is it the one of its hard links that brings the content?"""
        return self.links in ("", self.path)


@contextlib.contextmanager
def reader(borg: Borg) -> Iterator[Borg]:
    """borg for `chosen`: it loads its code while its caller finds out what to ask."""
    with Spares(EXACT) as spares:
        exact = replace(borg, prefix=EXACT, spares=spares)
        exact.start_spares(1)
        yield exact


def chosen(exact: Borg, archive: str, paths: Sequence[str], strip: int) -> list[Item]:
    """The items at and below `paths` (absolute; none stands for all), in the archive's order.

    `exact` is of `reader`. `strip` leading parts of each path are left out, and items that have no
    more than those. Raises NotInArchive, borg's errors.
    """
    names = [path.strip("/") for path in paths if path.strip("/")]
    matched = dict.fromkeys(names, False)
    found = []
    for item in _items(exact, archive):
        of = [name for name in names if item.path == name or item.path.startswith(name + "/")]
        matched.update(dict.fromkeys(of, True))
        if names and not of:
            continue
        if not strip:
            found.append(item)
        elif parts := item.path.split("/")[strip:]:
            found.append(replace(item, place="/".join(parts)))
    lost = [f"/{name}" for name, known in matched.items() if not known]
    if lost:
        raise NotInArchive(f"not in {archive}: {', '.join(lost)}")
    if not found:
        raise NotInArchive(f"nothing of {archive} is left to be restored")
    return found


def _items(exact: Borg, archive: str) -> Iterator[Item]:
    """All items. A later name of a hard link gets the size of the first one, which alone has it."""
    done = exact.run("list", "--bypass-lock", "--json-lines", f"::{archive}")
    rows = json.loads(b"[%s]" % b",".join(done.stdout.splitlines()))
    first = {row["source"] for row in rows if _links(row)}
    sizes = {row["path"]: row["size"] for row in rows if row["path"] in first}
    for row in rows:
        links = row["source"] if _links(row) else row["path"] if row["path"] in first else ""
        yield _item(row, links, sizes.get(links, row["size"]))


def _links(row: Mapping[str, Any]) -> bool:
    """Is it a later name of a hard link?"""
    return not row["mode"].startswith("l") and bool(row["source"])


def _item(row: Mapping[str, Any], links: str, size: int) -> Item:
    return Item(
        path=row["path"],
        place=row["path"],
        mode=row["mode"],
        size=size,
        mtime_ns=row["mtime_ns"],
        uid=row["uid"],
        gid=row["gid"],
        user=row["user"],
        group=row["group"],
        target=row["source"] if row["mode"][0] == "l" else "",
        links=links,
        xattrs=row["xattrs"],
        acls=row["acls"],
        flags=row["flags"],
    )
