"""Audit hooks that refuse what writes: anywhere, or below one folder."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from borgpull.borg.inside import refusing

WRITES = [
    ("open", ("{}/x", "w", 0o1101)),
    ("open", ("{}/x", None, 2)),
    ("open", ("{}", None, os.O_RDONLY | os.O_CREAT)),
    ("os.remove", ("{}/x", -1)),
    ("os.rename", ("{}/x", "/elsewhere", -1, -1)),
    ("os.rename", ("/elsewhere", "{}/deep/../x", -1, -1)),
    ("os.mkdir", ("{}/lock.exclusive", 0o777, -1)),
    ("shutil.rmtree", ("{}/x", -1)),
    ("os.symlink", ("/elsewhere", "{}/x", -1)),
    ("os.chmod", ("{}", 0o777, -1)),
    ("tempfile.mkstemp", ("{}/x",)),
]


def of(path: str, args: tuple[object, ...]) -> tuple[object, ...]:
    return tuple(word.format(path) if isinstance(word, str) else word for word in args)


@pytest.mark.parametrize(("event", "args"), [*WRITES, ("subprocess.Popen", ("sh", [], None, None))])
def test_a_hook_refuses_all_writing(event: str, args: tuple[object, ...]) -> None:
    with pytest.raises(OSError, match="Read-only file system"):
        refusing.refuse_writing(event, of("/repo", args))


def test_it_lets_reading_pass() -> None:
    refusing.refuse_writing("open", ("/repo/x", "rb", 0o2000000))
    refusing.refuse_writing("open", (sys.executable, "r", None))


@pytest.mark.parametrize(("event", "args"), WRITES)
def test_another_hook_refuses_to_write_below_a_folder(
    event: str, args: tuple[object, ...], tmp_path: Path
) -> None:
    (tmp_path / "repo/deep").mkdir(parents=True)
    (tmp_path / "link").symlink_to("repo")
    hook = refusing.below(str(tmp_path / "link"))
    for path in ("repo", "link", "repo/deep"):
        with pytest.raises(OSError, match="Read-only file system"):
            hook(event, of(str(tmp_path / path), args))
    hook(event, of(str(tmp_path / "repository"), args))  # beside it


def test_it_lets_pass_what_is_elsewhere_and_what_reads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    repo = tmp_path / "repo"
    repo.mkdir()
    hook = refusing.below(str(repo))
    hook("open", (f"{repo}/index.5", "rb", os.O_RDONLY | os.O_CLOEXEC))
    hook("open", (7, "wb", os.O_WRONLY))  # a descriptor
    hook("os.chown", (7, 0, 0, -1))
    hook("subprocess.Popen", ("gzip", [], None, None))  # of export-tar
    hook("os.remove", ("x", -1))
    (tmp_path / "link").symlink_to("repo")
    hook("os.symlink", (str(repo / "x"), str(tmp_path / "link"), -1))
    hook("os.remove", (str(tmp_path / "link"), -1))
    monkeypatch.chdir(repo)
    hook("os.chdir", (str(repo),))  # as Python tells it
    with pytest.raises(OSError, match="Read-only file system"):
        hook("os.remove", ("x", -1))
    with pytest.raises(OSError, match="Read-only file system"):
        hook("os.remove", (b"x", -1))
