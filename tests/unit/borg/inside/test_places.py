"""Where the entries of a listing are."""

from __future__ import annotations

import pytest

from borgpull.borg.inside.places import Places
from borgpull.borg.inside.wire import BadFrame


def listed(places: Places, *rows: tuple[int, str, bool]) -> list[str | None]:
    """The paths that are saved; a row is a depth, a name, and whether it is a folder."""
    found: list[str | None] = []
    for depth, name, folder in rows:
        path = places.path(depth, name.encode())
        saved = path is not None and places.saves(path)
        if folder:
            places.enter(path)
        found.append(path if saved else None)
    return found


def test_paths_follow_a_walk_that_goes_depth_first() -> None:
    rows = ((0, "srv/a", True), (1, "b", True), (2, "c", False), (1, "d", False), (0, "e", False))
    expected = ["srv/a", "srv/a/b", "srv/a/b/c", "srv/a/d", "e"]
    assert listed(Places(["srv/a", "gone", "e"], None), *rows) == expected


def test_below_the_root_paths_have_no_dot() -> None:
    rows = ((0, ".", True), (1, "etc", True), (2, "passwd", False))
    assert listed(Places(["."], None), *rows) == [".", "etc", "etc/passwd"]


def test_nothing_in_a_folder_that_is_left_out_is_saved() -> None:
    places = Places(["a"], lambda path: (path != "a/b", path != "a/b"))
    rows = ((0, "a", True), (1, "b", True), (2, "c", True), (3, "d", False), (1, "e", False))
    assert listed(places, *rows) == ["a", None, None, None, "a/e"]


def test_borg_may_look_into_a_folder_that_is_left_out() -> None:
    places = Places(["a"], lambda path: (path != "a/b", True))
    assert listed(places, (0, "a", True), (1, "b", True), (2, "c", False)) == ["a", None, "a/b/c"]


@pytest.mark.parametrize(
    "rows",
    [
        ((0, "other", True),),
        ((1, "a", False),),
        ((0, "a", True), (2, "deep", False)),
        ((0, "a", False), (1, "in-a-file", False)),
        ((0, "a", True), (1, "file", False), (2, "in-a-file", False)),
        ((0, "b", True), (0, "a", True)),
    ],
)
def test_a_listing_that_no_walk_makes(rows: tuple[tuple[int, str, bool], ...]) -> None:
    with pytest.raises(BadFrame):
        listed(Places(["a", "b"], None), *rows)
