"""How what is found of an entry differs from what an archive has of it."""

from __future__ import annotations

from typing import Any

import pytest

from borgpull.trees.differences import differs
from borgpull.trees.item import Item

FILE = Item(
    path="f",
    mode="-rw-r--r--",
    size=5,
    mtime_ns=10**18 + 7,
    uid=1000,
    gid=100,
    user="alice",
    group="users",
    target="",
    links="",
)
LINK = FILE._replace(mode="lrwxrwxrwx", size=0, target="f")
FOLDER = FILE._replace(mode="drwxr-xr-x", size=0)


@pytest.mark.parametrize(
    ("item", "changed", "kinds"),
    [
        (FILE, {}, set()),
        (FILE, {"mtime_ns": 10**18, "target": None, "links": None}, set()),  # is all that stat has
        (FILE, {"mtime_ns": 10**18 - 1}, {"times"}),
        (FILE, {"size": 4, "mode": "-rwsr--r--"}, {"sizes", "modes"}),
        (FILE, {"mode": "lrwxrwxrwx", "size": 1, "uid": 0}, {"types"}),
        (FILE, {"gid": 0}, {"owners"}),
        (LINK, {"mode": "lrwxr-xr-x", "size": 9}, set()),
        (LINK, {"target": "g"}, {"targets"}),
        (LINK, {"target": None}, set()),
        (FOLDER, {"mtime_ns": 0, "size": 4096}, set()),
    ],
)
def test_kinds(item: Item, changed: dict[str, Any], kinds: set[str]) -> None:
    assert differs(item, item._replace(**changed)) == kinds


def test_what_is_not_there() -> None:
    assert differs(FILE, None) == {"missing"}


def test_owners_by_name() -> None:
    found = FILE._replace(uid=7, gid=8)
    assert differs(FILE, found, {(7, 8): ("alice", "users")}) == set()
    assert differs(FILE, found, {(7, 8): ("alice", None)}) == {"owners"}
    assert differs(FILE, found, {}) == {"owners"}
