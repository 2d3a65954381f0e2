"""The restored tree: what cannot be looked at is an error, and never nothing."""

from __future__ import annotations

import contextlib
import hashlib
import os
import resource
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from borgpull.drills.tree import Tree
from tests.support.entries import ACL, CAPABILITY, corpus, entries_of

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="makes devices and owners")
DEPTH = 5000


@pytest.fixture
def deep(tmp_path: Path) -> Iterator[Path]:
    """5,000 folders, each in the one before, and a file beside each of the first ten."""
    root = tmp_path / "deep"
    root.mkdir()
    try:
        _fill(root)
        yield root
    finally:  # too deep for what pytest removes it by
        subprocess.run(["rm", "-rf", root], check=True)


def _fill(root: Path) -> None:
    fd = os.open(root, os.O_DIRECTORY)
    for number in range(DEPTH):
        if number < 10:
            os.close(os.open("file", os.O_CREAT | os.O_WRONLY, dir_fd=fd))
        os.mkdir("d", dir_fd=fd)
        below = os.open("d", os.O_DIRECTORY, dir_fd=fd)
        os.close(fd)
        fd = below
    os.close(fd)


def tree_of(root: Path) -> contextlib.closing[Tree]:
    return contextlib.closing(Tree(root))


def test_it_sees_each_kind_of_entry(tmp_path: Path) -> None:
    root = corpus(tmp_path / "root")
    wanted = entries_of(root)
    with tree_of(root) as tree:
        for entry in wanted:
            seen = tree.look(entry.item.path)
            assert seen is not None
            assert (seen.target, seen.xattrs) == (entry.item.target, entry.xattrs)
            assert (seen.access, seen.default) == (entry.access, entry.default)
            if entry.sha256:
                assert tree.sha256(entry.item.path) == entry.sha256
        assert sorted(tree.paths()) == [entry.item.path for entry in wanted]
        default, capability = tree.look("default"), tree.look("capability")
    assert default and default.default == ACL and not default.access
    assert capability and capability.xattrs == {b"security.capability": CAPABILITY}


def test_what_is_not_there_is_none(tmp_path: Path) -> None:
    root = corpus(tmp_path / "root")
    with tree_of(root) as tree:
        for path in ("nothing", "no/thing", "plain/below", "to-folder/file", "link/x"):
            assert tree.look(path) is None, path
        with pytest.raises(FileNotFoundError):
            tree.sha256("no/thing")
        with pytest.raises(OSError, match="Too many levels"):
            tree.sha256("link")  # of the file that it points at


def test_a_root_that_is_a_symlink_is_refused(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path)
    with pytest.raises(NotADirectoryError):
        Tree(tmp_path / "link")


def test_a_folder_that_cannot_be_opened_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is none that is missing: else a limit of this process would be a fault of the backup."""
    (tmp_path / "one/two").mkdir(parents=True)
    with tree_of(tmp_path) as tree:
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        used = max(int(name) for name in os.listdir("/proc/self/fd"))
        resource.setrlimit(resource.RLIMIT_NOFILE, (used, hard))
        filled = []
        try:
            with contextlib.suppress(OSError):
                while True:
                    filled.append(os.dup(0))
            with pytest.raises(OSError, match="Too many open files"):
                tree.look("one/two/file")
        finally:
            for fd in filled:
                os.close(fd)
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        assert tree.look("one/two") is not None


def test_xattrs_that_cannot_be_read_are_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()

    def broken(*_: object, **__: object) -> list[str]:
        raise OSError(5, "Input/output error")

    with tree_of(tmp_path) as tree:
        monkeypatch.setattr(os, "listxattr", broken)
        with pytest.raises(OSError, match="Input/output"):
            tree.look("file")


def test_a_large_xattr_is_seen_whole(tmp_path: Path) -> None:
    """The largest that the kernel takes has 64 KiB; ext4 has less."""
    value = os.urandom(65536)
    path = tmp_path / "file"
    path.touch()
    try:
        os.setxattr(path, "user.large", value)
    except OSError:
        value = value[:3000]
        os.setxattr(path, "user.large", value)
    with tree_of(tmp_path) as tree:
        seen = tree.look("file")
    assert seen and seen.xattrs == {b"user.large": value}


def test_a_deep_tree_takes_few_files_and_no_recursion(deep: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    used = max(int(name) for name in os.listdir("/proc/self/fd"))
    with tree_of(deep) as tree:
        resource.setrlimit(resource.RLIMIT_NOFILE, (used + 20, hard))
        try:
            paths = list(tree.paths())
            assert len(paths) == DEPTH + 10
            assert all(tree.look(path) is not None for path in paths)
            # Up again, one folder at a time.
            ways = ["/".join(["d"] * depth + ["file"]) for depth in range(9, -1, -1)]
            tree.look("/".join(["d"] * 40))
            assert all(tree.look(path) is not None for path in ways)
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_it_finds_its_way_from_any_folder_to_any_other(tmp_path: Path) -> None:
    names = ["a", "a/b", "a/b/c", "a/bc", "b", "b/b/c/d", "b/c"]
    for name in names:
        (tmp_path / name).mkdir(parents=True, exist_ok=True)
        (tmp_path / name / "file").write_text(name)
    with tree_of(tmp_path) as tree:
        for one in names:
            for other in names:
                for name in (one, other):
                    wanted = hashlib.sha256(name.encode()).hexdigest()
                    assert tree.sha256(f"{name}/file") == wanted
