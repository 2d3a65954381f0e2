"""The SFTP reader on this machine, with a server that is not ours: what it sends is what is there,
whatever the tree does meanwhile; and how it ends if the server lies."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from borgpull.borg.inside import wire
from borgpull.borg.inside.channel import Channel, Ended
from borgpull.borg.inside.wire import Answer
from borgpull.client import hello, helper
from borgpull.client.ends import answer_of
from borgpull.client.mounts import FALLBACK
from borgpull.process import pipe
from borgpull.readers.child import CUT, HOSTILE, NOT_THERE
from borgpull.readers.sftp import start
from borgpull.readers.sftp.files import MAX_BYTES
from borgpull.readers.starting import question
from tests.support import evil_sftp
from tests.unit.client.test_helper import Talk

CHECK: dict[str, list[str]] = {
    key: [] for key in ("roots", "exclude", "left_out", "disks", "mounts", "allowed")
}
ESTALE, EIO, EOPNOTSUPP = 116, 5, 95


@contextmanager
def talking(*roots: Path, lie: str = "", code: int = 0) -> Iterator[Talk]:
    """With a reader that is asked for these roots, and ends with this code."""
    named = list(map(str, roots))
    server_of = [sys.executable, evil_sftp.__file__, lie or "none"]
    with (
        pipe() as (server_in, to_server),
        pipe() as (from_server, server_out),
        pipe() as (walk, _no_walk),
        subprocess.Popen(server_of, stdin=server_in, stdout=server_out) as server,
    ):
        fds = (from_server.fileno(), to_server.fileno(), walk.fileno())
        argv = [*start.PROGRAM, *map(str, fds)]
        with subprocess.Popen(
            argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, pass_fds=fds, bufsize=0
        ) as child:
            for end in (server_in, to_server, from_server, server_out, walk, _no_walk):
                end.close()
            assert child.stdin is not None and child.stdout is not None
            try:
                child.stdin.write(question([*named, *FALLBACK]))
                _, text = answer_of(child.stdout.fileno())
                if text is None:
                    raise Ended
                facts, _ = hello.read(text, len(named), 0)
                assert facts.time is None
                # The server is a new process: its files in /proc have the time of now.
                assert facts.passed is not None and abs(facts.passed - time.time()) < 60
                there = helper.Helper(None, None, child.stdin)  # type: ignore[arg-type]
                there.go(named, {}, {"check": {**CHECK, "started": 0.0}})
                channel = Channel(child.stdout.fileno(), child.stdin.fileno())
                yield Talk(channel)
                channel.ask(wire.FINISH)
                channel.push()
                assert channel.frame()[0] == wire.BYE
            finally:
                child.stdin.close()
                server.kill()
                assert child.wait(20) == code


def test_names_stats_and_contents_are_those_of_the_tree(tmp_path: Path) -> None:
    odd = os.fsdecode(b"caf\xe9\nx")
    large, even = os.urandom(wire.SMALL + 1), os.urandom(32 << 10)
    contents = {odd: b"small", "empty": b"", "large": large, "even": even, "hole": bytes(3 << 20)}
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
    (tmp_path / "link").symlink_to("/no/where")
    os.mkfifo(tmp_path / "fifo")
    many = tmp_path / "many/folders/deep"
    many.mkdir(parents=True)
    for number in range(1200):
        (many / f"{number}").mkdir() if number % 9 == 0 else (many / f"{number}").touch()
    with talking(tmp_path) as talk:
        numbers = talk.listed()
        names = {str(tmp_path)[1:], *contents, "link", "fifo", "many", "folders", "deep"}
        assert set(numbers) == names | {f"{number}" for number in range(1200)}
        for name, content in contents.items():
            st, (answer, end, data) = (tmp_path / name).stat(), talk.ask(numbers[name])
            assert data == content
            assert isinstance(answer, Answer) and answer.st is not None and end is not None
            seconds = int(st.st_mtime) * 10**9
            assert (answer.st.st_mode, answer.st.st_mtime_ns) == (st.st_mode, seconds)
            assert (end.stage, end.size, end.ctime_ns) == (0, len(content), seconds)
    assert talk.trouble == []


def test_what_happens_between_listing_and_reading_is_told(tmp_path: Path) -> None:
    for name in ("gone", "link", "other", "folder", "inner", "grown"):
        (tmp_path / name).mkdir()
        (tmp_path / name / f"in-{name}").write_bytes(b"listed")
    with talking(tmp_path) as talk:
        numbers = talk.listed()
        (tmp_path / "gone/in-gone").unlink()
        (tmp_path / "link/in-link").unlink()
        (tmp_path / "link/in-link").symlink_to("/etc/passwd")
        (tmp_path / "other/in-other").write_bytes(b"another")
        (tmp_path / "folder/in-folder").unlink()
        (tmp_path / "folder/in-folder").mkdir()
        (tmp_path / "grown/in-grown").write_bytes(bytes(wire.SMALL + 9))
        # The way to a file leads elsewhere now: its content must not be taken for the file's.
        (tmp_path / "inner").rename(tmp_path / "moved")
        (tmp_path / "inner").symlink_to(tmp_path / "moved")

        def failed(name: str) -> tuple[int, int]:
            answer = talk.ask(numbers[name])[0]
            assert isinstance(answer, Answer)
            return answer.stage, answer.errno

        assert failed("in-gone") == (1, 2)
        assert failed("in-link") == (1, ESTALE)
        assert talk.ask(numbers["in-other"])[2] == b"another"
        assert failed("in-folder") == (1, ESTALE)
        assert failed("in-inner") == (2, ESTALE)
        assert len(talk.ask(numbers["in-grown"])[2]) == wire.SMALL + 9


@pytest.mark.parametrize("size", [9, 3 << 20])
@pytest.mark.parametrize("lie", ["short", "owner", "eio"])
def test_a_file_that_is_not_read_as_it_is_fails_alone(tmp_path: Path, lie: str, size: int) -> None:
    (tmp_path / "file").write_bytes(os.urandom(size))
    with talking(tmp_path, lie=lie) as talk:
        answer, end, data = talk.ask(talk.listed()["file"])
        assert isinstance(answer, Answer) and end is not None
        if lie == "short":  # the engine takes this for a failure
            assert answer.st is not None and len(data) < answer.st.st_size == end.size == size
        elif lie == "owner":
            assert (answer.stage or end.stage, answer.errno or end.errno) == (1, ESTALE)
        elif size > 9:
            assert (end.stage, end.errno) == (2, EIO)


@pytest.mark.parametrize("lie", evil_sftp.LIES)
def test_a_server_that_lies_ends_the_run(tmp_path: Path, lie: str) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_bytes(b"hello")
    (tmp_path / "link").symlink_to("file")
    code = NOT_THERE if lie == "version" else HOSTILE
    with pytest.raises(Ended), talking(tmp_path, lie=lie, code=code) as talk:
        talk.ask(talk.listed()["file"])
        talk.channel.frame()


def test_a_server_that_ends_is_no_hostile_one(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"hello")
    with pytest.raises(Ended), talking(tmp_path, lie="ends", code=CUT) as talk:
        talk.ask(talk.listed()["file"])


@pytest.mark.parametrize("size", [9, 3 << 20])
def test_a_change_before_the_last_block_is_seen(tmp_path: Path, size: int) -> None:
    """A server may read beside other answers. The file keeps its size, and its time does not."""
    name = evil_sftp.CHANGES.decode()
    (tmp_path / name).write_bytes(bytes(size))
    with talking(tmp_path, lie="late") as talk:
        answer, end, data = talk.ask(talk.listed()[name])
        assert isinstance(answer, Answer) and answer.st is not None and end is not None
        assert (end.stage, data) == (0, b"x" * size)
        assert end.ctime_ns != answer.st.st_ctime_ns, "it counts as unchanged"


def test_a_folder_of_which_nothing_is_told_once_it_is_open(tmp_path: Path) -> None:
    (tmp_path / "bare").mkdir()
    with talking(tmp_path, lie="bare") as talk:
        assert set(talk.listed()) == {str(tmp_path)[1:]}
    assert [(trouble.errno, trouble.name) for trouble in talk.trouble] == [(EOPNOTSUPP, b"bare")]


@pytest.mark.timeout(120)
def test_large_files_wait_for_no_answer_that_nobody_asks_for(tmp_path: Path) -> None:
    """While a small one is at its end, all come that may be ahead of it. All are told at once."""
    sizes = dict.fromkeys(("1", "3", "5"), 100_000) | dict.fromkeys(("2", "4"), MAX_BYTES + 1)
    for name, size in sizes.items():
        with (tmp_path / name).open("wb") as file:
            file.truncate(size)
    with talking(tmp_path) as talk:
        numbers = talk.listed()
        for name in sorted(sizes):
            talk.channel.ask(wire.READ, numbers[name])
        talk.channel.push()
        for name in sorted(sizes):
            assert len(talk.answer(*talk.channel.frame())[2]) == sizes[name]
