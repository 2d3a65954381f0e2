"""The positive control: a drill spoils its own copy in six ways, and must see each of them.

A comparison that is blind to something would call every backup good. What is spoilt is put right
again, for the checks that come after. Attributes that nobody has seen on the client are not spoilt.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from itertools import count
from pathlib import Path
from typing import NamedTuple

from borgpull.borg.named import absolute
from borgpull.drills.compare import Comparison
from borgpull.drills.findings import Found
from borgpull.drills.flip import flip
from borgpull.drills.tree import Tree
from borgpull.errors import NotProved
from borgpull.outputs.drills import Control, Kind
from borgpull.trees.manifest import Entry

_NAME = "user.borgpull-control"
EXTRA = ".borgpull-control"


def control(
    tree: Tree, root: Path, entries: Sequence[Entry], comparison: Callable[[Found], Comparison]
) -> list[Control]:
    """Spoil proved files, and look. `comparison` makes a new one.

    Raises NotProved if there is nothing to spoil; OSError.
    """
    if not entries:
        raise NotProved(
            "no file was proved, so the control has nothing to spoil",
            hint="drill with --full, or a larger share",
        )
    done: list[Control] = []
    for number, (kind, spoiler) in enumerate(_SPOILERS.items()):
        entry = entries[number % len(entries)]
        if kind == "xattr" and entry.xattrs is None:  # no comparison could see it
            continue
        with spoiler.spoil(root / entry.item.path):
            found = comparison(Found()).differences(entry, tree.look(entry.item.path))
            # Another difference would not show that it sees this one.
            seen = any(difference[0] == spoiler.seen_as for difference in found)
        done.append({"kind": kind, "seen": seen, "path": absolute(entry.item.path)})
    done.append(_extra(tree, root, comparison))
    return done


def _extra(tree: Tree, root: Path, comparison: Callable[[Found], Comparison]) -> Control:
    path, folder = _free(root), root.lstat()
    found = Found()
    one = comparison(found)
    for name in tree.paths():
        one.there.add(name)
    path.touch(exist_ok=False)
    try:
        one.strangers(lambda: (name for name in tree.paths() if name != path.name))
    finally:
        path.unlink()
        os.utime(root, ns=(folder.st_atime_ns, folder.st_mtime_ns))
    seen = any(item["path"] == absolute(path.name) for item in found.findings)
    return {"kind": "extra", "seen": seen, "path": absolute(path.name)}


def _free(folder: Path) -> Path:
    """A path that the client has not."""
    paths = (folder / f"{EXTRA}{number or ''}" for number in count())
    return next(path for path in paths if not os.path.lexists(path))


@contextmanager
def _times(path: Path) -> Iterator[None]:
    """Put a file's times back, as somebody would who hides a change."""
    before = path.lstat()
    try:
        yield
    finally:
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns), follow_symlinks=False)


@contextmanager
def _byte(path: Path) -> Iterator[None]:
    size = path.lstat().st_size

    def change(empty: bytes) -> None:
        with _times(path), _capability(path):
            if size:
                flip(path, size // 2)
            else:
                path.write_bytes(empty)

    change(b"1")
    try:
        yield
    finally:
        change(b"")


@contextmanager
def _capability(path: Path) -> Iterator[None]:
    """Put it back: the kernel takes it away from a file that is written, or gets an owner."""
    before = _get(path, "security.capability")
    try:
        yield
    finally:
        if before is not None:
            os.setxattr(path, "security.capability", before)


@contextmanager
def _mode(path: Path) -> Iterator[None]:
    before = path.lstat().st_mode & 0o7777
    path.chmod(before ^ 0o001)
    try:
        yield
    finally:
        path.chmod(before)


@contextmanager
def _owner(path: Path) -> Iterator[None]:
    """Changing the owner takes away the set-user-ID bit, too: only the group is changed."""
    before = path.lstat()
    mode = before.st_mode & 0o7777

    def give(group: int) -> None:
        with _capability(path):
            os.chown(path, -1, group, follow_symlinks=False)
            path.chmod(mode)

    give(0 if before.st_gid else 1)  # each user namespace has these
    try:
        yield
    finally:
        give(before.st_gid)


def _get(path: Path, name: str) -> bytes | None:
    try:
        return os.getxattr(path, name, follow_symlinks=False)
    except OSError:
        return None


@contextmanager
def _xattr(path: Path) -> Iterator[None]:
    names = (f"{_NAME}{number or ''}" for number in count())
    name = next(name for name in names if _get(path, name) is None)
    os.setxattr(path, name, b"1", os.XATTR_CREATE, follow_symlinks=False)
    try:
        yield
    finally:
        os.removexattr(path, name, follow_symlinks=False)


@contextmanager
def _missing(path: Path) -> Iterator[None]:
    folder = path.parent.lstat()
    aside = _free(path.parent)
    path.rename(aside)
    try:
        yield
    finally:
        aside.rename(path)
        os.utime(path.parent, ns=(folder.st_atime_ns, folder.st_mtime_ns))


class _Spoiler(NamedTuple):
    """How it spoils a file and puts it right again, and what a comparison must say of it."""

    spoil: Callable[[Path], AbstractContextManager[None]]
    seen_as: Kind


_SPOILERS = {
    "byte": _Spoiler(_byte, "content"),
    "mode": _Spoiler(_mode, "mode"),
    "owner": _Spoiler(_owner, "owner"),
    "xattr": _Spoiler(_xattr, "xattr"),
    "missing": _Spoiler(_missing, "missing"),
}
