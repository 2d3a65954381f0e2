"""Which path lies in which, and the folders above a path, by their names alone.

Paths are absolute, or relative to one folder.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence


def lies_in(path: str, folder: str) -> bool:
    """Is a path this folder, or something in it? `/` holds all; so does "" for relative paths."""
    return folder in ("", "/", path) or path.startswith(folder + "/")


def above(path: str) -> Iterator[str]:
    """The folders above a path, nearest first: up to `/`, or to the first of a relative path."""
    while (end := path.rfind("/")) > 0:
        path = path[:end]
        yield path
    if end == 0 and path != "/":
        yield "/"


def ways(paths: Iterable[str]) -> set[str]:
    """The folders above any of the paths, but for `/`."""
    known = {""}
    for path in paths:
        if path.rpartition("/")[0] not in known:  # mostly, it is the folder of the last path
            known.update(above(path))
    return known - {"", "/"}


def with_ways(paths: Iterable[str]) -> Iterator[str]:
    """Each relative path after the folders above it, unless those have come already.

    A folder that is one of the paths, too, may come twice.
    """
    known = {""}
    for path in paths:
        if path.rpartition("/")[0] not in known:
            new = [folder for folder in above(path) if folder not in known]
            known.update(new)
            yield from reversed(new)
        yield path


def roots(paths: Sequence[str]) -> tuple[str, ...]:
    """The paths without those that lie in another one, and none twice."""
    return tuple(
        path
        for path in dict.fromkeys(paths)
        if not any(path != other and lies_in(path, other) for other in paths)
    )
