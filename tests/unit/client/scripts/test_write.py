"""The helper itself, in a process of its own, as the other side talks to it."""

from __future__ import annotations

import ast
import contextlib
import errno
import os
import signal
import stat
import subprocess
import threading
import time
from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from typing import Any

import pytest

from borgpull.borg.inside import outlet
from borgpull.borg.inside.outlet import Ended, Outlet
from borgpull.borg.inside.replies import BadReply, Told, Trouble
from borgpull.restores import stream

ME = {"u": [os.getuid(), None], "g": [os.getgid(), None]}
MTIME = 1_000_000_000_123_456_789
SH = ["sh", "-c", 'IFS= read -r line; eval "$line"', "sh"]
NAMELESS, NAMED = b"nameless[device] = True", b"nameless[device] = None"


def head(path: str, mode: int = stat.S_IFREG | 0o640, **more: Any) -> dict[str, Any]:
    return {"p": path, "m": mode, "t": [MTIME, MTIME], **ME, **more}


class Helper:
    """A helper at work on a folder, and what it has said."""

    def __init__(self, root: Path, program: bytes) -> None:
        self.popen = subprocess.Popen(SH, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert self.popen.stdin is not None and self.popen.stdout is not None
        self.popen.stdin.write(program)
        self.popen.stdin.flush()
        self.said: list[Trouble | Told] = []
        fds = self.popen.stdout.fileno(), self.popen.stdin.fileno()
        self.outlet = Outlet(*fds, self.said.append, idle=10)
        self.outlet.send(outlet.ROOT, {"p": str(root)})

    def send(self, kind: int, head: dict[str, Any] | None = None, *content: bytes) -> None:
        self.outlet.send(kind, head, *content)

    def whole(self, path: str, content: bytes = b"x", **more: Any) -> None:
        self.send(outlet.FILE, head(path, c=1, **more), content)

    def heard(self) -> None:
        """Wait until the helper has taken all that was sent."""
        sent = self.outlet.replies.sent
        self.outlet.replies.expected.append(sent)
        self.outlet.send(outlet.TELL)
        self.outlet.push()
        while sent not in self.said:
            self.outlet._ready()

    def finish(self) -> list[Trouble]:
        self.outlet.finish()
        return self.troubles()

    def troubles(self) -> list[Trouble]:
        return [one for one in self.said if isinstance(one, Trouble)]

    def close(self) -> int:
        assert self.popen.stdin is not None and self.popen.stdout is not None
        self.popen.stdin.close()
        self.popen.stdout.close()
        return self.popen.wait(10)


@contextlib.contextmanager
def helping(root: Path, *, nameless: bool = True) -> Iterator[Helper]:
    program = stream.programs(*stream.PARTS)
    assert NAMELESS in program
    helper = Helper(root, program if nameless else program.replace(NAMELESS, NAMED))
    try:
        yield helper
    finally:
        with contextlib.suppress(BrokenPipeError):
            helper.close()
        helper.popen.kill()
        helper.popen.wait()


@pytest.mark.parametrize("nameless", [True, False])
def test_what_is_written(tmp_path: Path, *, nameless: bool) -> None:
    with helping(tmp_path, nameless=nameless) as helper:
        helper.send(outlet.FOLDER, {"p": "a"})
        helper.whole("a/small", b"text", x={"user.one": b"1".hex()})
        helper.send(outlet.FILE, head("a/caf\udce9"))
        helper.send(outlet.DATA, None, b"begin")
        helper.send(outlet.HOLE, {"n": 1 << 20})
        helper.send(outlet.END)
        helper.send(outlet.LINK, {"p": "b/further/name", "s": "a/small"})
        helper.send(outlet.NODE, head("a/link", stat.S_IFLNK | 0o777, s="not/there"))
        helper.send(outlet.NODE, head("a/fifo", stat.S_IFIFO | 0o604))
        helper.send(outlet.CLOSE, head("a", stat.S_IFDIR | 0o2750))
        assert helper.finish() == []
        assert helper.close() == 0
    a = tmp_path / "a"
    small, large = a / "small", Path(os.fsdecode(os.fsencode(a) + b"/caf\xe9"))
    assert small.read_bytes() == b"text"
    assert os.getxattr(small, "user.one") == b"1"
    assert small.samefile(tmp_path / "b/further/name")
    assert large.read_bytes() == b"begin" + bytes(1 << 20)
    assert large.stat().st_blocks * 512 < 1 << 20
    assert (a / "link").readlink() == Path("not/there")
    modes = {path.name: oct(path.lstat().st_mode) for path in (a, small, large, a / "fifo")}
    expected = ["0o42750", "0o100640", "0o100640", "0o10604"]
    assert list(modes.values()) == expected
    assert {path.lstat().st_mtime_ns for path in (a, *a.iterdir())} == {MTIME}
    assert not list(tmp_path.rglob(".borgpull-*"))


@pytest.mark.parametrize("nameless", [True, False])
def test_what_is_there_is_replaced(tmp_path: Path, *, nameless: bool) -> None:
    out = tmp_path / "out"
    out.mkdir()
    root = tmp_path / "root"
    for name in ("file", "empty", "full", "full/x", "is-folder"):
        (root / name).mkdir(parents=True)
    (root / "file").rmdir()
    (root / "file").write_text("old, and longer")
    (root / "link").symlink_to(out)
    (root / "to-file").symlink_to(root / "file")
    with helping(root, nameless=nameless) as helper:
        helper.whole("file", b"new")
        helper.whole("empty", b"file")
        helper.whole("full", b"file")
        helper.send(outlet.FOLDER, {"p": "link"})
        helper.whole("link/inside")
        helper.whole("to-file", b"itself")
        helper.send(outlet.LINK, {"p": "again", "s": "file"})
        helper.send(outlet.LINK, {"p": "again", "s": "file"})
        assert [(one.number, one.op, one.errno) for one in helper.finish()] == [
            (3, "name", errno.ENOTEMPTY)
        ]
    assert (root / "file").read_text() == "new"
    assert (root / "empty").read_text() == "file"
    assert (root / "link/inside").is_file()
    assert not (root / "link").is_symlink()
    assert not (root / "to-file").is_symlink()
    assert (root / "again").samefile(root / "file")
    assert not list(out.iterdir())
    assert not list(tmp_path.rglob(".borgpull-*"))


def test_nothing_leads_outside(tmp_path: Path) -> None:
    out, root = tmp_path / "out", tmp_path / "root"
    out.mkdir()
    (out / "file").write_text("theirs")
    root.mkdir()
    (root / "link").symlink_to(out)
    before = (out / "file").stat()
    with helping(root) as helper:
        for path in ("link/x", "../out/x", "/../out/x", "link/deeper/x", "a/../../out/x"):
            helper.whole(path)
        helper.send(outlet.CLOSE, head("link", stat.S_IFDIR | 0o777))
        helper.send(outlet.LINK, {"p": "stolen", "s": "link/file"})
        helper.send(outlet.LINK, {"p": "stolen", "s": "../out/file"})
        helper.send(outlet.NODE, head("link/fifo", stat.S_IFIFO | 0o600))
        helper.send(outlet.FOLDER, {"p": "link/folder"})
        assert {one.number for one in helper.finish()} == set(range(1, 11))
    assert [path.name for path in out.iterdir()] == ["file"]
    assert (out / "file").stat() == before
    assert [path.name for path in root.iterdir()] == ["link"]


def test_a_symlink_that_is_swapped_in(tmp_path: Path) -> None:
    """While the helper is in a folder, and while it is not: nothing is written outside."""
    out, root = tmp_path / "out", tmp_path / "root"
    for name in ("a", "a/deep"):
        (out / name).mkdir(parents=True)
    with helping(root.parent) as helper:
        helper.whole("root/a/deep/one")
        helper.heard()
        (root / "a").rename(root / "moved")
        (root / "a").symlink_to(out / "a")
        helper.whole("root/a/deep/two")  # it is still in that folder, wherever that is
        helper.send(outlet.CLOSE, head("root/a/deep", stat.S_IFDIR | 0o711))
        helper.whole("root/b/other")
        helper.whole("root/a/deep/three")
        helper.send(outlet.CLOSE, head("root/a/deep", stat.S_IFDIR | 0o777))
        helper.send(outlet.LINK, {"p": "root/a/deep/four", "s": "root/b/other"})
        assert [one.number for one in helper.finish()] == [5, 6, 7]
    assert sorted(path.name for path in (root / "moved/deep").iterdir()) == ["one", "two"]
    assert [path.name for path in out.rglob("*")] == ["a", "deep"]
    assert (out / "a/deep").stat().st_mode != stat.S_IFDIR | 0o777


@pytest.mark.parametrize("nameless", [True, False])
@pytest.mark.parametrize("end", ["dropped", "cut", "killed", "terminated"])
def test_no_half_file(tmp_path: Path, end: str, *, nameless: bool) -> None:
    with helping(tmp_path, nameless=nameless) as helper:
        helper.whole("whole")
        helper.send(outlet.FILE, head("half"))
        helper.send(outlet.DATA, None, b"x" * 3_000_000)
        helper.heard()
        if end == "dropped":
            helper.send(outlet.DROP)
            assert helper.finish() == []
        elif end != "cut":
            # sh has become the helper.
            helper.popen.send_signal(signal.SIGKILL if end == "killed" else signal.SIGTERM)
        assert helper.close() == {"dropped": 0, "cut": 3, "killed": -9, "terminated": 4}[end]
    left = {path.name for path in tmp_path.iterdir()} - {"whole"}
    # Where a file must have a name, SIGKILL leaves it. The run that goes on removes it.
    assert len(left) == (end == "killed" and not nameless)
    with helping(tmp_path, nameless=nameless) as helper:
        helper.whole("half")
        assert helper.finish() == []
    assert {path.name for path in tmp_path.iterdir()} == {"half", "whole"}


def test_what_fails_is_told(tmp_path: Path) -> None:
    with helping(tmp_path) as helper:
        helper.whole("x" * 300)
        helper.whole("nul\0")
        helper.whole("a", x={"nonsense": "00", "user.ok": "00"}, t=[0, 1 << 100])
        helper.whole("b", a=[[[0x02, 7, 5, None]], []])
        helper.send(outlet.CLOSE, head("c", stat.S_IFDIR | 0o700))
        found = [(one.number, one.op, one.errno, one.detail) for one in helper.finish()]
    assert found == [
        (1, "name", errno.ENAMETOOLONG, ""),
        (2, "make", errno.EINVAL, ""),
        (3, "xattr", errno.EOPNOTSUPP, "nonsense"),
        (3, "time", errno.EINVAL, ""),
        (4, "acl", errno.EINVAL, ""),
    ]


def test_many_items_and_a_reader_that_is_slow(tmp_path: Path) -> None:
    """Neither side waits for the other for ever, though pipes are full in both directions."""
    with helping(tmp_path) as helper:
        for number in range(20_000):
            helper.send(outlet.LINK, {"p": f"name-{number}", "s": "missing"})
        assert len(helper.finish()) == 20_000


def test_an_old_python_can_read_it() -> None:
    for name in ("attributes", *stream.PARTS):
        text = resources.files("borgpull.client").joinpath("scripts", f"{name}.py").read_text()
        ast.parse(text, feature_version=(3, 6))
        assert "from __future__ import annotations" not in text


def test_a_target_that_stalls_lies_or_is_gone() -> None:
    reader, from_helper = os.pipe()
    to_helper, writer = os.pipe()
    os.set_blocking(writer, True)
    with contextlib.ExitStack() as stack:
        stack.callback(os.close, reader)
        stack.callback(os.close, writer)
        made = Outlet(reader, writer, lambda _: None, idle=0.2)
        started = time.monotonic()
        with pytest.raises(outlet.Stalled):
            for _ in range(100):  # nobody reads
                made.send(outlet.DATA, None, bytes(1 << 20))
        assert time.monotonic() - started < 5
        flood = threading.Thread(target=_flood, args=(from_helper,))
        flood.start()
        made = Outlet(reader, writer, lambda _: None, idle=5)
        with pytest.raises(BadReply):
            made.finish()
    flood.join()
    os.close(to_helper)
    reader, from_helper = os.pipe()
    to_helper, writer = os.pipe()
    os.close(to_helper)
    os.close(from_helper)
    with pytest.raises(Ended):
        Outlet(reader, writer, lambda _: None).finish()
    os.close(reader)
    os.close(writer)


def _flood(fd: int) -> None:
    with contextlib.suppress(BrokenPipeError):
        while True:
            os.write(fd, b"y\n" * 1000)
    os.close(fd)
