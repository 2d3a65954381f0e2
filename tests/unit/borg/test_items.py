"""The listing of an archive, as it comes: in pieces that end anywhere."""

from __future__ import annotations

import gc
import json
import tracemalloc
from collections.abc import Sequence
from typing import Any

import pytest

from borgpull.borg.command import Borg
from borgpull.borg.inside import exact
from borgpull.borg.items import chosen
from borgpull.borg.spares import Sink
from borgpull.errors import NotInArchive
from borgpull.process import Completed
from borgpull.trees.item import Item


def row(path: str, mode: str = "-rw-r--r--", source: str = "", size: int = 3) -> list[Any]:
    first = mode[0] != "d" and not source
    target, links = (source, "") if mode[0] == "l" else ("", source)
    return [path, mode, size, 5, 0, 0, "root", 7, target, links, 1, 0, 0, 2, 1, first]


ROWS = [
    row("srv", "drwxr-xr-x", size=0),
    row("srv/a\udcff\n"),
    row("srv/b", source="srv/a\udcff\n", size=0),
    row("srv/l", "lrwxrwxrwx", "srv/b", 0),
    row("srv2"),
]


class Listing:
    """A borg that lists rows, two in a line, in pieces of `size` bytes."""

    def __init__(self, size: int, rows: Sequence[list[Any]] = ROWS) -> None:
        self.size, self.rows = size, rows

    def run(self, *_args: str, sink: Sink) -> Completed:
        lines = (self.rows[at : at + 2] for at in range(0, len(self.rows), 2))
        text = "".join(json.dumps(line) + "\n" for line in lines).encode()
        for at in range(0, len(text), self.size):
            sink(text[at : at + self.size])
        return Completed(0, b"", "")


def listed(size: int, *paths: str, strip: int = 0) -> list[Item]:
    borg: Borg = Listing(size)  # type: ignore[assignment]
    return list(chosen(borg, "x", paths, strip))


@pytest.mark.parametrize("size", [1, 7, 100, 10**6])
def test_pieces(size: int) -> None:
    found = listed(size)
    assert [item.path for item in found] == [line[0] for line in ROWS]
    first, later, link = found[1:4]
    # A later name has the size of the first one; both know of each other.
    assert (first.links, later.links, later.size) == (first.path, first.path, 3)
    assert (first.first_name, later.first_name) == (True, False)
    assert (link.links, link.target) == ("", "srv/b")
    assert first._asdict() == {
        "path": "srv/a\udcff\n",
        "mode": "-rw-r--r--",
        "size": 3,
        "mtime_ns": 5,
        "uid": 0,
        "gid": 0,
        "user": "root",
        "group": 7,
        "target": "",
        "links": "srv/a\udcff\n",
        "xattrs": 1,
        "acls": 0,
        "flags": 0,
        "chunks": 2,
        "holes": 1,
        "place": "srv/a\udcff\n",
        "inode": None,
    }


def test_what_is_chosen() -> None:
    assert [item.path for item in listed(9, "/srv2")] == ["srv2"]
    assert [item.place for item in listed(9, "/srv/", strip=1)] == ["a\udcff\n", "b", "l"]
    with pytest.raises(NotInArchive, match=r"not in x: /sr$"):
        listed(9, "/sr", "/srv")
    with pytest.raises(NotInArchive, match="nothing of x is left"):
        listed(9, strip=5)


def test_memory() -> None:
    """Of millions of files some tens of bytes each; of what is not asked for, nothing."""
    number = 10_000
    rows = [row(f"srv/www/{at // 100}/some-page-{at}.html", size=at) for at in range(number)]
    borg: Borg = Listing(1 << 16, rows)  # type: ignore[assignment]
    for paths, most in ((), 60), (("/srv/www/7/some-page-700.html",), 1):
        gc.collect()
        tracemalloc.start()
        try:
            found = chosen(borg, "x", paths, 0)
            gc.collect()
            held = tracemalloc.get_traced_memory()[0]
        finally:
            tracemalloc.stop()
        assert held < most * number + 400_000, held  # and the last block as it is
        assert list(found)[-1].size == (700 if paths else number - 1)
        assert found[len(found) // 2].path == list(found)[len(found) // 2].path


def test_the_first_name_that_is_chosen_brings_the_content() -> None:
    (later,) = listed(9, "/srv/b")
    assert (later.links, later.first_name, later.size, later.holes) == ("srv/b", True, 3, 1)
    # Of what is in no archive nothing is known.
    ROWS.append(row("h", source="../etc/passwd", size=0))
    try:
        (odd,) = listed(9, "/h")
    finally:
        ROWS.pop()
    assert (odd.links, odd.first_name, odd.size) == ("../etc/passwd", False, 0)


class Stored(dict[str, Any]):
    """An item as borg gives it: its keys are attributes, too, and those of every item are there."""

    def __getattr__(self, name: str) -> Any:
        return self[name]

    def get_size(self) -> int:
        return sum(chunk.size for chunk in self.get("chunks", ()))


def test_what_borg_lists_is_an_item() -> None:
    """Field by field, in the order of an Item: the program in borg's Python knows no other."""
    common = {
        "uid": 1,
        "gid": 2,
        "user": "a",
        "group": None,
        "mtime": 9,
        "acl_access": b"user::rwx\n",
        "acl_default": b"x",
    }
    chunks = [Stored(size=3), Stored(size=4)]
    file = Stored(
        common, path="f", mode=0o100644, chunks=chunks, xattrs={b"u": b"", b"a": b""}, bsdflags=1
    )
    later = Stored(common, path="g", mode=0o100644, source="f")
    link = Stored(common, path="l", mode=0o120777, source="f")
    rows = [exact._row(each, None) for each in (file, later, link)]
    first, second, third = list(chosen(Listing(50, rows), "x", (), 0))  # type: ignore[arg-type]
    assert first == Item(
        path="f",
        mode="-rw-r--r--",
        size=7,
        mtime_ns=9,
        uid=1,
        gid=2,
        user="a",
        group=2,
        target="",
        links="f",
        xattrs="61,75",
        acls=2,
        flags=1,
        chunks=2,
        holes=0,
        place="f",
    )
    assert (second.links, second.target, second.size) == ("f", "", 7)
    assert (third.links, third.target, third.size) == ("", "f", 0)


def test_pipes_may_be_hard_links_too() -> None:
    rows = [row("p", "prw-r--r--", size=0), row("q", "prw-r--r--", "p", 0)]
    borg: Borg = Listing(9, rows)  # type: ignore[assignment]
    found = list(chosen(borg, "x", (), 0))
    assert [(item.links, item.first_name) for item in found] == [("p", True), ("p", False)]
