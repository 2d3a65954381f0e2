"""The shell readers on this machine's own shell: what they send is what is there, whatever the
tree does meanwhile; and a listing that does not come to its end fails the run."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from borgpull.borg.inside import wire
from borgpull.borg.inside.channel import Channel, Ended
from borgpull.borg.inside.wire import Answer
from borgpull.client import hello, helper, shell
from borgpull.client.mounts import FALLBACK
from borgpull.jail.clientwalk import WalkBroken
from borgpull.process import pipe
from borgpull.readers.child import NO_TOOLS, NO_WALK, BadAnswer
from borgpull.readers.child import Ended as TooEarly
from borgpull.readers.shell import listing, start
from borgpull.readers.starting import question
from tests.unit.client.test_helper import Talk
from tests.unit.readers.sftp.test_start import CHECK, ESTALE

KINDS = ("find", "busybox")  # GNU's tools do for either


@contextmanager
def talking(kind: str, root: Path, *, path: str = "", code: int = 0) -> Iterator[Talk]:
    """With a reader that is asked for this root, and ends with this code. `path` is a PATH."""
    argv = ["sh", "-c", 'IFS= read -r line; eval "$line"', "sh"]
    env = {**os.environ, "PATH": path or os.environ["PATH"]}
    with (
        pipe() as (shell_in, to_shell),
        pipe() as (from_shell, shell_out),
        pipe() as (list_in, to_list),
        pipe() as (from_list, list_out),
        subprocess.Popen(argv, stdin=shell_in, stdout=shell_out, env=env),
        subprocess.Popen(argv, stdin=list_in, stdout=list_out, env=env),
    ):
        to_shell.write(shell.line(shell.script("shell_read.sh"), kind))
        to_shell.flush()
        ends = (from_shell, to_shell, from_list, to_list)
        fds = tuple(end.fileno() for end in ends)
        with subprocess.Popen(
            [*start.PROGRAM, kind, *map(str, fds)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            pass_fds=fds,
            bufsize=0,
        ) as child:
            for end in (*ends, shell_in, shell_out, list_in, list_out):
                end.close()
            assert child.stdin is not None and child.stdout is not None
            try:
                child.stdin.write(question([str(root), *FALLBACK]))
                _, text = helper.answer_of(child.stdout.fileno())
                if text is None:
                    raise Ended
                hello.read(text, 1, 0)
                there = helper.Helper(None, None, child.stdin)  # type: ignore[arg-type]
                there.go([str(root)], {}, {"check": {**CHECK, "started": 0.0}})
                channel = Channel(child.stdout.fileno(), child.stdin.fileno())
                yield Talk(channel)
                channel.ask(wire.FINISH)
                channel.push()
                assert channel.frame()[0] == wire.BYE
            finally:
                child.stdin.close()
                assert child.wait(20) == code


def in_path(folder: Path, **programs: str) -> str:
    """A PATH where these programs do what these lines of shell say."""
    folder.mkdir()
    for name, text in programs.items():
        (folder / name).write_text(f"#!/bin/sh\n{text}\n")
        (folder / name).chmod(0o755)
    return f"{folder}:{os.environ['PATH']}"


@pytest.mark.parametrize("kind", KINDS)
def test_names_stats_and_contents_are_those_of_the_tree(tmp_path: Path, kind: str) -> None:
    odd = os.fsdecode(b"caf\xe9\n|'x")
    large, even = os.urandom(wire.SMALL + 1), os.urandom(32 << 10)
    contents = {odd: b"small", "empty": b"", "large": large, "even": even, "-n": b"\n\n"}
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
    (tmp_path / "link").symlink_to("/no/where")
    os.mkfifo(tmp_path / "fifo")
    many = tmp_path / "many"
    many.mkdir()
    for number in range(1200):
        (many / f"{number}").touch()
    with talking(kind, tmp_path) as talk:
        numbers = talk.listed()
        names = {str(tmp_path)[1:], *contents, "link", "fifo", "many"}
        assert set(numbers) == names | {f"{number}" for number in range(1200)}
        for name, content in contents.items():
            st, (answer, end, data) = (tmp_path / name).stat(), talk.ask(numbers[name])
            assert data == content
            assert isinstance(answer, Answer) and answer.st is not None and end is not None
            found = answer.st
            assert (found.st_mode, found.st_mtime_ns) == (st.st_mode, st.st_mtime_ns)
            assert (found.st_ino, found.st_nlink) == (st.st_ino, st.st_nlink)
            assert talk.rows[numbers[name]].st == found
            assert (end.stage, end.size, end.ctime_ns) == (0, len(content), st.st_ctime_ns)
    assert talk.trouble == []


@pytest.mark.parametrize("kind", KINDS)
def test_what_happens_between_listing_and_reading_is_told(tmp_path: Path, kind: str) -> None:
    for name in ("gone", "link", "folder", "inner", "grown", "shrunk"):
        (tmp_path / name).mkdir()
        (tmp_path / name / f"in-{name}").write_bytes(b"listed")
    with talking(kind, tmp_path) as talk:
        numbers = talk.listed()
        (tmp_path / "gone/in-gone").unlink()
        (tmp_path / "link/in-link").unlink()
        (tmp_path / "link/in-link").symlink_to("/etc/passwd")
        (tmp_path / "folder/in-folder").unlink()
        (tmp_path / "folder/in-folder").mkdir()
        (tmp_path / "grown/in-grown").write_bytes(bytes(wire.SMALL + 9))
        (tmp_path / "shrunk/in-shrunk").write_bytes(b"x")
        # The way to a file leads elsewhere now: its content must not be taken for the file's.
        (tmp_path / "inner").rename(tmp_path / "moved")
        (tmp_path / "inner").symlink_to(tmp_path / "moved")

        def failed(name: str) -> tuple[int, int]:
            answer = talk.ask(numbers[name])[0]
            assert isinstance(answer, Answer)
            return answer.stage, answer.errno

        assert failed("in-gone") == (1, 2)
        assert failed("in-link") == (1, ESTALE)
        assert failed("in-folder") == (1, ESTALE)
        assert failed("in-inner") == (1, ESTALE)
        assert len(talk.ask(numbers["in-grown"])[2]) == wire.SMALL + 9
        answer, end, data = talk.ask(numbers["in-shrunk"])
        assert isinstance(answer, Answer) and answer.st is not None and end is not None
        assert (data, answer.st.st_size, end.size) == (b"x", 1, 1)


@pytest.mark.parametrize("size", [9, 3 << 20])
def test_a_read_error_fails_the_file(tmp_path: Path, size: int) -> None:
    (tmp_path / "root").mkdir()
    (tmp_path / "root/file").write_bytes(os.urandom(size))
    head = shutil.which("head")
    lie = f'[ $# = 2 ] && [ "$2" -gt 2 ] || exec {head} "$@"; {head} -c 5; exit 1'
    path = in_path(tmp_path / "bin", head=lie)
    with talking("find", tmp_path / "root", path=path) as talk:
        answer, end, _ = talk.ask(talk.listed()["file"])
        assert isinstance(answer, Answer)
        assert (answer.errno or (end and end.errno)) == 5


@pytest.mark.parametrize("kind", KINDS)
def test_a_find_that_is_killed_fails_the_run(tmp_path: Path, kind: str) -> None:
    (tmp_path / "root").mkdir()
    lie = f'{shutil.which("find")} "$@"; case $2 in -maxdepth) ;; *) kill -9 $$;; esac'
    path = in_path(tmp_path / "bin", find=lie)
    with talking(kind, tmp_path / "root", path=path, code=NO_WALK) as talk:
        talk.listed()


@pytest.mark.parametrize("kind", KINDS)
def test_a_listing_that_is_cut_ends_the_run(kind: str) -> None:
    with pipe() as (end, there):
        there.write(listing.GREETING)
        there.close()
        found = listing.Listing(end.fileno(), kind)
        assert found.more() == []
        with pytest.raises(TooEarly):
            found.more()


def test_a_client_without_the_tools_is_told_apart(tmp_path: Path) -> None:
    path = in_path(tmp_path / "bin", find="exit 1")
    with pytest.raises(Ended), talking("find", tmp_path, path=path, code=NO_TOOLS):
        pass


def test_a_shell_of_find_that_is_killed_fails_the_run(tmp_path: Path) -> None:
    """busybox's find says nothing of it."""
    root = tmp_path / "root"
    root.mkdir()
    for number in range(30):
        (root / f"{number}").touch()
    lies = {
        "find": f'{shutil.which("find")} "$@"; code=$?; [ $code = 1 ] && exit 0; exit $code',
        "stat": f'[ $# -lt 9 ] || {{ kill -9 $PPID; exit 1; }}; exec {shutil.which("stat")} "$@"',
    }
    path = in_path(tmp_path / "bin", **lies)
    with talking("busybox", root, path=path, code=NO_WALK) as talk:
        assert talk.listed() == {}


@pytest.mark.parametrize(
    ("said", "good"),
    [
        ("code 0\nnames 5", True),
        ("code 0\nnames      5", True),  # as some wc say it
        ("code 1\nnames 5", True),
        ("code 0\nnames 6", False),
        ("code 0\nnames 4", False),
        ("code 0\nnames", False),
        ("code 0", False),
        ("names 5", False),
        ("code 137\nnames 5", False),
        ("", False),
    ],
)
def test_the_counts_of_finds_shells_are_those_of_find(said: str, good: bool) -> None:
    with pipe() as (end, there):
        there.write(listing.GREETING + f"//=3\n//=2\n//\n{said}\n//".encode())
        there.flush()
        found = listing.Listing(end.fileno(), "busybox")
        assert found.more() == []
        assert found.ended
        if good:
            assert list(found.findings(lambda _: True))[-1]["more"] == {}
        else:
            with pytest.raises(WalkBroken):
                list(found.findings(lambda _: True))


@pytest.mark.parametrize("count", ["", "-1", "x", "9" * 30])
def test_what_is_no_count(count: str) -> None:
    with pipe() as (end, there):
        there.write(listing.GREETING + f"//={count}\n//=2\n//".encode())
        there.flush()
        with pytest.raises(BadAnswer):
            listing.Listing(end.fileno(), "busybox").more()
