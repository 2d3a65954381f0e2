"""The listing of an archive, as it comes: in pieces that end anywhere."""

from __future__ import annotations

import json
from typing import Any

import pytest

from borgpull.borg.command import Borg
from borgpull.borg.items import Item, chosen
from borgpull.borg.spares import Sink
from borgpull.errors import NotInArchive
from borgpull.process import Completed


def row(path: str, mode: str = "-rw-r--r--", source: str = "", size: int = 3) -> list[Any]:
    return [path, mode, size, 5, 0, 0, "root", 7, source, 1, False, 0, 2]


ROWS = [
    row("srv", "drwxr-xr-x", size=0),
    row("srv/a\udcff\n"),
    row("srv/b", source="srv/a\udcff\n", size=0),
    row("srv/l", "lrwxrwxrwx", "srv/b", 0),
    row("srv2"),
]


class Listing:
    """A borg that lists ROWS, two in a line, in pieces of `size` bytes."""

    def __init__(self, size: int) -> None:
        self.size = size

    def run(self, *_args: str, sink: Sink) -> Completed:
        lines = (ROWS[at : at + 2] for at in range(0, len(ROWS), 2))
        text = "".join(json.dumps(line) + "\n" for line in lines).encode()
        for at in range(0, len(text), self.size):
            sink(text[at : at + self.size])
        return Completed(0, b"", "")


def listed(size: int, *paths: str, strip: int = 0) -> list[Item]:
    borg: Borg = Listing(size)  # type: ignore[assignment]
    return chosen(borg, "x", paths, strip)


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
        "place": "srv/a\udcff\n",
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
        "acls": False,
        "flags": 0,
        "chunks": 2,
    }


def test_what_is_chosen() -> None:
    assert [item.path for item in listed(9, "/srv2")] == ["srv2"]
    assert [item.place for item in listed(9, "/srv/", strip=1)] == ["a\udcff\n", "b", "l"]
    with pytest.raises(NotInArchive, match=r"not in x: /sr$"):
        listed(9, "/sr", "/srv")
    with pytest.raises(NotInArchive, match="nothing of x is left"):
        listed(9, strip=5)
