"""Named paths that a bind mount shows a second time, below another named path.

borg enters no folder that it was given as a path before, wherever it meets it again (1.4.5,
archiver.py, do_create: `skip_inodes`). So a path that appears below another one must come after it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from borgpull.client.mounts import PSEUDO, Line, remote, visible
from borgpull.errors import NotSaved
from borgpull.trees.folders import above, lies_in

# What a path is, wherever it is mounted: the file system (device, source), and the path in it.
Place = tuple[bytes, bytes, str]


def ordered(mountinfo: bytes, roots: Sequence[str]) -> list[str]:
    """The roots, each one after those below which it can be seen; else in their order.

    Two roots that are the same folder keep their order: borg saves the first, and the run reports
    the other. Raises NotSaved if two lie in each other.
    """
    mounts = visible(mountinfo)
    own = {root: _place(mounts, root) for root in roots}
    seen = {root: [own[root], *_mounted_below(mounts, root)] for root in roots}

    def before(root: str) -> set[str]:
        place = own[root]
        return {
            other
            for other in roots
            if own[other] != place and any(_holds(item, place) for item in seen[other])
        }

    waiting = {root: before(root) for root in roots}
    done: list[str] = []
    while len(done) < len(roots):
        ready = [root for root in roots if root not in done and waiting[root] <= set(done)]
        if not ready:
            both = ", ".join(root for root in roots if root not in done)
            raise NotSaved(
                f"by bind mounts these lie in each other, and borg would leave some out: {both}",
                hint="save them by runs of their own, each with a --name",
            )
        done.append(ready[0])
    return done


def _place(mounts: dict[str, Line], path: str) -> Place | None:
    point = next((item for item in (path, *above(path)) if item in mounts), None)
    if point is None:
        return None
    line = mounts[point]
    return _of(line, f"{line.root.rstrip('/')}/{path[len(point) :].strip('/')}".rstrip("/") or "/")


def _mounted_below(mounts: dict[str, Line], root: str) -> Iterator[Place]:
    """The mounts below a path that are saved with it."""
    for point, line in mounts.items():
        left_out = line.fstype in PSEUDO or remote(line.fstype)
        if point != root and lies_in(point, root) and not left_out:
            yield _of(line, line.root)


def _of(line: Line, path: str) -> Place:
    # The shares of a file server may all have the same device and the root `/`.
    return (line.device, line.source if remote(line.fstype) else b"", path)


def _holds(folder: Place | None, place: Place | None) -> bool:
    if folder is None or place is None:
        return False
    return folder[:2] == place[:2] and lies_in(place[2], folder[2])
