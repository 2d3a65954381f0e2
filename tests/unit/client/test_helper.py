"""The helper itself, on this machine: what it sends is what is there, and it follows no symlink."""

from __future__ import annotations

import ast
import json
import os
import select
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from borgpull.borg.inside import wire
from borgpull.borg.inside.channel import Channel
from borgpull.borg.inside.wire import Answer, End, Row
from borgpull.client import ends, hello, helper, shell
from borgpull.client.mounts import FALLBACK
from borgpull.client.scripts.stream_read import ALONE
from borgpull.errors import ConnectionLost, HostileClient

NO_BARS: dict[str, list[str | None]] = {}
NOBODY = 65534


class Talk:
    """With a helper under way."""

    def __init__(self, channel: Channel) -> None:
        self.channel = channel
        self.rows: list[Row] = []
        self.trouble: list[wire.Trouble] = []

    def listed(self) -> dict[str, int]:
        """The numbers of all entries, by name."""
        while (frame := self.channel.frame())[0] != wire.LISTED:
            if frame[0] == wire.LIST:
                self.rows += wire.rows(frame[1])
            elif frame[0] == wire.TROUBLE:
                self.trouble.append(wire.trouble(frame[1]))
        assert wire.listed(frame[1]) == len(self.rows)
        return {os.fsdecode(row.name): number for number, row in enumerate(self.rows)}

    def ask(self, number: int) -> Any:
        self.channel.ask(wire.READ, number)
        self.channel.push()
        kind, content = self.channel.frame()
        while kind == wire.NAME:
            kind, content = self.channel.frame()
        return self.answer(kind, content)

    def answer(self, kind: int, content: bytes) -> tuple[Answer | Row, End | None, bytes]:
        if kind == wire.AGAIN:
            return wire.again(content)[1], None, b""
        if kind == wire.WHOLE:
            return wire.whole(content)
        data = b""
        while (frame := self.channel.frame())[0] != wire.STOP:
            data += frame[1] if frame[0] == wire.DATA else bytes(wire.zeros(frame[1]))
        return wire.begin(content)[0], wire.stop(frame[1]), data


@contextmanager
def talking(
    *roots: Path,
    bars: dict[str, list[str | None]] = NO_BARS,
    user: int | None = None,
    compress: str = "off",
    early: bool = False,
) -> Iterator[Talk]:
    """The very command and input that a client gets. Is the plan in it, and must that hold?"""
    named = list(map(str, roots))
    argv = ["sh", "-c", 'IFS= read -r line; eval "$line"', "sh"]
    with subprocess.Popen(
        argv,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        bufsize=0,
        user=user,
        env={"PATH": "/usr/bin:/bin"} if user else None,
    ) as child:
        assert child.stdin is not None and child.stdout is not None
        plan = helper.plan_of(named, {}, {"compress": compress}) if early else None
        child.stdin.write(helper.question([*named, *FALLBACK], helper.beginning(plan, named)))
        greeting, text = ends.answer_of(child.stdout.fileno())
        assert text is not None and greeting == b""
        hello.read(text, len(named), 0)
        assert json.loads(text)["begins"] == early
        there = helper.Helper(None, None, child.stdin, plan)  # type: ignore[arg-type]
        there.go(named, bars, {"compress": compress})
        channel = Channel(child.stdout.fileno(), child.stdin.fileno())
        talk = Talk(channel)
        yield talk
        channel.ask(wire.FINISH)
        channel.push()
        assert channel.frame()[0] == wire.BYE
    assert child.returncode == 0


def test_it_is_written_for_python_3_6() -> None:
    for parts in (helper.FIRST, helper.REST):
        ast.parse(helper._text(parts), feature_version=(3, 6))
    with pytest.raises(SyntaxError):
        ast.parse("(x := 1)", feature_version=(3, 6))


def says_something(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def for_mypy(node: ast.stmt) -> bool:
    return ast.unparse(node).startswith(("MYPY", "if MYPY"))


def without_what_nobody_reads(tree: ast.AST) -> str:
    """Neither docstrings nor types."""
    assert isinstance(tree, ast.Module)
    tree.body = [node for node in tree.body if not for_mypy(node)]
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            node.returns = None
        if isinstance(node, ast.arg):
            node.annotation = None
        if isinstance(node, ast.FunctionDef | ast.ClassDef | ast.Module):
            node.body = [one for one in node.body if not says_something(one)]
    return ast.dump(tree)


def test_only_what_no_python_reads_is_left_out() -> None:
    for parts in (helper.FIRST, helper.REST):
        scripts = (shell.script(f"stream_{part}.py") for part in parts)
        full, sent = "".join(helper._IMPORT.sub("", text) for text in scripts), helper._text(parts)
        assert len(sent) < 0.9 * len(full)
        assert len({without_what_nobody_reads(ast.parse(text)) for text in (sent, full)}) == 1


def test_the_rest_of_the_text_comes_after_the_answer() -> None:
    *first, last = ast.parse(helper.source()).body
    assert ast.dump(ast.parse(helper._text(helper.FIRST))) == ast.dump(
        ast.Module(body=first, type_ignores=[])
    )
    assert isinstance(last, ast.Expr) and isinstance(last.value, ast.Call)
    compiling = last.value.args[0]
    assert isinstance(compiling, ast.Call) and isinstance(compiling.args[0], ast.Constant)
    assert compiling.args[0].value == helper._text(helper.REST)


def test_the_words_for_ssh_and_for_this_test_are_one() -> None:
    assert shell.WORDS[2].strip("'") == 'IFS= read -r line; eval "$line"'
    assert "borgpull." not in helper.source()


def test_what_was_asked_before_the_last_word_is_answered(tmp_path: Path) -> None:
    for number in range(200):
        (tmp_path / f"{number}").write_bytes(b"%d" % number)
    with talking(tmp_path) as talk:
        numbers = sorted(talk.listed().values())[1:]
        for number in numbers:
            talk.channel.ask(wire.READ, number)
        talk.channel.ask(wire.FINISH)
        talk.channel.push()
        for number in numbers:
            kind, content = talk.channel.frame()
            assert (kind, wire.whole(content)[0].number) == (wire.WHOLE, number)


def test_what_shrinks_comes_packed_and_nothing_else_does(tmp_path: Path) -> None:
    text, noise = b"some words\n" * 90_000, os.urandom(900_000)
    (tmp_path / "text").write_bytes(text)
    (tmp_path / "noise").write_bytes(noise)
    received = {}
    for compress in ("off", "on"):
        with talking(tmp_path, compress=compress) as talk:
            numbers = talk.listed()
            before = talk.channel.received
            assert talk.ask(numbers["text"])[2] == text
            between = talk.channel.received
            assert talk.ask(numbers["noise"])[2] == noise
            received[compress] = between - before, talk.channel.received - between
    assert received["off"][0] > len(text)
    assert received["on"][0] < len(text) / 20
    assert received["on"][1] == received["off"][1] > len(noise)


def test_names_stats_and_contents_are_those_of_the_tree(tmp_path: Path) -> None:
    odd = os.fsdecode(b"caf\xe9\nx")
    (tmp_path / odd).write_bytes(b"small")
    (tmp_path / "empty").touch()
    large = os.urandom(wire.SMALL + 1)
    (tmp_path / "large").write_bytes(large)
    with (tmp_path / "hole").open("wb") as file:
        file.truncate(3 << 20)
    (tmp_path / "link").symlink_to("/no/where")
    os.mkfifo(tmp_path / "fifo")
    with talking(tmp_path) as talk:
        numbers = talk.listed()
        assert set(numbers) == {str(tmp_path)[1:], odd, "empty", "large", "hole", "link", "fifo"}
        for name, content in {
            odd: b"small",
            "empty": b"",
            "large": large,
            "hole": bytes(3 << 20),
        }.items():
            st, (answer, end, data) = (tmp_path / name).stat(), talk.ask(numbers[name])
            assert data == content
            assert (answer.st.st_ino, answer.st.st_mtime_ns) == (st.st_ino, st.st_mtime_ns)
            assert (end.stage, end.size, end.ctime_ns) == (0, len(content), st.st_ctime_ns)
    assert talk.trouble == []
    inodes = [row.st.st_ino for row in talk.rows[1:]]
    assert inodes == sorted(inodes)  # borg's order


def test_what_happens_between_listing_and_reading_is_told(tmp_path: Path) -> None:
    for name in ("gone", "link", "other", "folder", "inner"):
        (tmp_path / name).mkdir()
        (tmp_path / name / f"in-{name}").write_bytes(b"listed")
    with talking(tmp_path) as talk:
        numbers = talk.listed()
        (tmp_path / "gone/in-gone").unlink()
        (tmp_path / "link/in-link").unlink()
        (tmp_path / "link/in-link").symlink_to("/etc/passwd")
        (tmp_path / "other/new").write_bytes(b"another")
        (tmp_path / "other/new").replace(tmp_path / "other/in-other")
        (tmp_path / "folder/in-folder").unlink()
        (tmp_path / "folder/in-folder").mkdir()
        # The way to a file leads elsewhere now: its content must not be taken for the file's.
        (tmp_path / "inner").rename(tmp_path / "moved")
        (tmp_path / "inner").symlink_to(tmp_path / "moved")
        assert talk.ask(numbers["in-gone"])[0][1:3] == (1, 2)
        assert talk.ask(numbers["in-link"])[0].extra.endswith(b"/etc/passwd")
        assert talk.ask(numbers["in-other"])[2] == b"another"
        assert talk.ask(numbers["in-folder"])[0].stage == 1
        answer = talk.ask(numbers["in-inner"])[0]
        assert isinstance(answer, Answer) and answer.stage == 1


def test_bars_are_neither_entered_nor_looked_at(tmp_path: Path) -> None:
    for name in ("shut/in", "way/disk/in", "way/not/in", "some/gone", "some/kept"):
        (tmp_path / name).mkdir(parents=True)
    bars: dict[str, list[str | None]] = {
        f"{tmp_path}/shut": [None],
        f"{tmp_path}/way": [None, "disk"],
        f"{tmp_path}/some": ["gone"],
    }
    with talking(tmp_path, bars=bars) as talk:
        names = list(talk.listed())[1:]
    assert sorted(names) == ["disk", "in", "kept", "shut", "some", "way"]


@pytest.mark.parametrize("compress", ["off", "on"])
def test_a_plan_that_holds_needs_no_further_word(tmp_path: Path, compress: str) -> None:
    (tmp_path / "file").write_bytes(b"mine")
    with talking(tmp_path, early=True, compress=compress) as talk:
        numbers = talk.listed()
        assert talk.ask(numbers["file"])[2] == b"mine"


def test_a_helper_that_has_heard_nothing_opens_not_all(tmp_path: Path) -> None:
    for number in range(ALONE + 1000):
        (tmp_path / str(number)).touch()
    with talking(tmp_path, early=True) as talk:
        lanes, alone = talk.channel.lanes, b""
        while select.select([lanes], [], [], 0.5)[0]:
            alone += lanes.read(1 << 20) or b""
        while alone:
            kind, length = wire.head(alone)
            begin = wire.HEAD.size
            talk.rows += wire.rows(alone[begin : begin + length]) if kind == wire.LIST else []
            alone = alone[begin + length :]
        assert ALONE <= len(talk.rows) < ALONE + 1000
        talk.channel.ask(wire.DONE, 1)
        talk.channel.push()
        assert len(talk.listed()) == ALONE + 1001


# What is mounted below the folder, and if the plan holds for it.
BELOW = [
    ("a", "a/b", False),
    ("a", "ab", True),
    ("a", "a", True),  # it is named
    ("a b\\c", "a b\\c/d", False),
    ("a b\\c", "a bc/d", True),
    ("a\tb\nc", "a\tb\nc/d e", False),
]


@pytest.mark.skipif(os.getuid() != 0, reason="only root may mount")
@pytest.mark.parametrize(("named", "mount", "holds"), BELOW)
def test_a_plan_holds_where_no_mount_lies_below(
    tmp_path: Path, named: str, mount: str, *, holds: bool
) -> None:
    folder, point = tmp_path / named, tmp_path / mount
    folder.mkdir(exist_ok=True)
    point.mkdir(parents=True, exist_ok=True)
    argv = [
        "unshare",
        "-m",
        "sh",
        "-c",
        'mount -t tmpfs none "$0" && IFS= read -r line; eval "$line"',
    ]
    plan = helper.plan_of([str(folder)], {})
    asked = helper.question([str(folder)], helper.beginning(plan, [str(folder)]))
    done = subprocess.run([*argv, str(point)], input=asked, capture_output=True, timeout=30)
    with tempfile.TemporaryFile() as said:
        said.write(done.stdout)
        said.seek(0)
        _, text = ends.answer_of(said.fileno())
        assert text is not None and json.loads(text)["begins"] == holds
    assert done.returncode == (3 if holds else 0)  # it lacks requests, or a plan


def test_a_helper_that_has_begun_by_another_plan() -> None:
    plan = helper.plan_of(["/srv"], {}, {"lanes": 3})
    reader, writer = os.pipe()
    with os.fdopen(reader, "rb", 0) as there, os.fdopen(writer, "wb", 0) as here:
        begun = helper.Helper(None, None, here, plan)  # type: ignore[arg-type]
        begun.go(["/srv"], {}, {"lanes": 3})
        with pytest.raises(HostileClient):
            begun.go(["/srv"], {"/srv/proc": [None]}, {"lanes": 3})
        here.close()
        assert there.read() == b""  # it got no other plan


def test_a_python_that_is_too_old_says_so(tmp_path: Path) -> None:
    old = tmp_path / "python3"
    real = (
        f'exec {sys.executable} -c "import sys; sys.version_info = (3, 5); exec(sys.argv[1])" "$4"'
    )
    old.write_text(f"#!/bin/sh\n{real}\n")
    old.chmod(0o755)
    argv = ["sh", "-c", 'IFS= read -r line; eval "$line"', "sh"]
    done = subprocess.run(
        argv,
        input=helper.question([]),
        capture_output=True,
        env={"PATH": f"{tmp_path}:/usr/bin:/bin"},
        check=False,
        timeout=30,
    )
    assert (done.returncode, done.stdout) == (1, b"")
    assert b"borgpull-python" in done.stderr


def test_long_orders_arrive_whole_though_the_engine_lets_the_pipe_not_block() -> None:
    """A machine with some hundred containers has more mounts than a pipe holds."""
    bars: dict[str, list[str | None]] = {f"/{number:0200d}": [None] for number in range(5000)}
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    found: list[bytes] = []
    with os.fdopen(reader, "rb") as there, os.fdopen(writer, "wb", 0) as here:
        thread = threading.Thread(target=lambda: found.append(there.readline()))
        thread.start()
        helper.Helper(None, None, here).go(["/"], bars)  # type: ignore[arg-type]
        here.close()
        thread.join()
    assert len(json.loads(found[0])["bars"]) == 5000


def test_a_client_that_takes_no_orders_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ends, "ANSWER_SECONDS", 0.1)
    reader, writer = os.pipe()
    with os.fdopen(writer, "wb", 0) as here:
        with pytest.raises(ConnectionLost):
            helper.Helper(None, None, here).go(["/" * 200_000], {})  # type: ignore[arg-type]
        os.close(reader)
        ends.send(here, b"nobody is there")


@pytest.fixture
def memory() -> Iterator[Path]:
    """A folder on a tmpfs, which has large attributes, and which everybody may enter."""
    folder = Path(tempfile.mkdtemp(dir="/dev/shm"))
    folder.chmod(0o755)
    try:
        os.setxattr(folder, "user.large", bytes(60_000))
    except OSError:
        pytest.skip("no large attributes in /dev/shm")
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


def test_large_attributes_make_no_frame_too_long_and_are_not_sent_far_ahead(memory: Path) -> None:
    for number in range(300):
        (memory / f"{number}").touch()
        os.setxattr(memory / f"{number}", "user.large", os.urandom(60_000))
    with talking(memory) as talk:
        sent = 0
        fd = talk.channel.lanes
        while len(talk.rows) < 301:
            if not select.select([fd], [], [], 0.5)[0]:
                assert sent < 16 << 20
                sent = 0
                talk.channel.ask(wire.DONE, len(talk.rows))
                talk.channel.push()
            kind, content = talk.channel.frame()
            if kind == wire.LIST:
                talk.rows += wire.rows(content)
                sent += len(content)
        assert talk.channel.frame()[0] == wire.LISTED


@pytest.mark.skipif(os.getuid() != 0, reason="only root may be another user")
def test_a_file_below_a_folder_that_may_not_be_listed(memory: Path) -> None:
    (memory / "closed").mkdir()
    (memory / "closed/file").write_bytes(b"mine")
    (memory / "closed/soon-a-link").write_bytes(b"mine")
    (memory / "closed").chmod(0o711)
    files = (memory / "closed/file", memory / "closed/soon-a-link")
    with talking(*files, user=NOBODY) as talk:
        numbers = talk.listed()
        files[1].unlink()
        files[1].symlink_to("file")
        assert talk.trouble == []
        assert talk.ask(numbers[str(files[0])[1:]])[2] == b"mine"
        assert talk.ask(numbers[str(files[1])[1:]])[0].extra.endswith(b"file")


def test_the_question_leaves_the_time_of_access_alone(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    os.utime(tmp_path, ns=(1, 2))
    with talking(tmp_path) as talk:
        talk.listed()
        assert tmp_path.stat().st_atime_ns == 1


# A Python that lacks a module: no finder knows it.
LACKS = """
import sys
class Lacks:
    finders = list(sys.meta_path)
    def find_spec(self, name, path, target=None):
        found = (finder.find_spec(name, path) for finder in self.finders if name != %r)
        return next((spec for spec in found if spec), None)
sys.meta_path = [Lacks()]
"""


@pytest.mark.parametrize("name", ["zlib", "resource", "select", "hashlib", "another"])
def test_a_python_that_lacks_what_the_rest_needs_does_not_answer(name: str) -> None:
    text = LACKS % name + helper.source()
    argv = [sys.executable, "-I", "-S", "-c", text]
    done = subprocess.run(argv, input=b'{"paths": []}\n', capture_output=True, timeout=30)
    assert (ends.MARK in done.stdout, done.returncode == 0) == (name == "another",) * 2
