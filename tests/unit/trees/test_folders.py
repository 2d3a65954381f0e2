"""Which path lies in which."""

from __future__ import annotations

import pytest

from borgpull.trees.folders import above, lies_in, roots, ways, with_ways


@pytest.mark.parametrize(
    ("path", "folders"),
    [
        ("/a/b/c", ["/a/b", "/a", "/"]),
        ("/a", ["/"]),
        ("/", []),
        ("a/b/c", ["a/b", "a"]),
        ("a", []),
        ("", []),
    ],
)
def test_above(path: str, folders: list[str]) -> None:
    assert list(above(path)) == folders
    assert all(lies_in(path, folder) for folder in folders)


@pytest.mark.parametrize(
    ("path", "folder", "lies"),
    [("/a", "/a", True), ("/ab", "/a", False), ("/a", "/a/b", False), ("a/b", "", True)],
)
def test_lies_in(path: str, folder: str, lies: bool) -> None:
    assert lies_in(path, folder) is lies


def test_roots() -> None:
    assert roots(["/b/c", "/a", "/b", "/a"]) == ("/a", "/b")


def test_the_folders_that_lead_to_paths() -> None:
    paths = ["a/b/c", "a/b/d", "x", "a/e/f", "/q/r"]
    assert ways(paths) == {"a", "a/b", "a/e", "/q"}
    assert list(with_ways(paths[:4])) == ["a", "a/b", "a/b/c", "a/b/d", "x", "a/e", "a/e/f"]
