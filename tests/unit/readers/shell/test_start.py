"""The shell readers on this machine's own shell: what they send is what is there, whatever the
tree does meanwhile; and a listing that does not come to its end fails the run."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from borgpull.borg.inside import wire
from borgpull.borg.inside.channel import Channel, Ended
from borgpull.borg.inside.wire import Answer
from borgpull.client import hello, helper, shell
from borgpull.client.ends import answer_of
from borgpull.client.mounts import FALLBACK
from borgpull.client.scripts.stream_list import MAX_DEPTH
from borgpull.jail.clientwalk import MOST_SAID, WalkBroken
from borgpull.process import pipe
from borgpull.readers.child import NO_TOOLS, NO_WALK, BadAnswer
from borgpull.readers.child import Ended as TooEarly
from borgpull.readers.shell import listing, start
from borgpull.readers.starting import question
from tests.unit.client.test_helper import Talk
from tests.unit.readers.sftp.test_start import CHECK, ESTALE

KINDS = ("find", "busybox")  # GNU's tools do for either


@contextmanager
def talking(
    kind: str,
    root: Path,
    *,
    path: str = "",
    code: int = 0,
    findings: list[dict[str, Any]] | None = None,
) -> Iterator[Talk]:
    """With a reader that is asked for this root, and ends with this code. `path` is a PATH.

    At the end, its findings are added to `findings`.
    """
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
            stderr=subprocess.PIPE,
            pass_fds=fds,
            bufsize=0,
        ) as child:
            for end in (*ends, shell_in, shell_out, list_in, list_out):
                end.close()
            assert child.stdin and child.stdout and child.stderr
            try:
                child.stdin.write(question([str(root), *FALLBACK]))
                _, text = answer_of(child.stdout.fileno())
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
                said = child.stderr.read()
                assert child.wait(20) == code, said
                if findings is not None:
                    findings += map(json.loads, said.splitlines())


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


@pytest.mark.parametrize(
    ("kind", "tool", "lie"),
    [
        ("find", "stat", r"s/\.[0-9]\{9\}/.000000000/g"),
        ("busybox", "stat", r"s/\.[0-9]\{9\}/.000000000/g"),
        ("busybox", "stat", r"s/\.[0-9]\{9\}//g"),
        ("find", "find", r"s/\.[0-9]*//"),
        ("find", "find", r"s/\.[0-9]*/.0000000000/"),
    ],
)
def test_tools_that_tell_whole_seconds_are_of_no_use(
    tmp_path: Path, kind: str, tool: str, lie: str
) -> None:
    """Another change in the same second would keep the time: as older tools of busybox tell it."""
    text = f"PATH=${{PATH#*:}}; {tool} \"$@\" | sed '{lie}'"
    path = in_path(tmp_path / "bin", **{tool: text})
    with pytest.raises(Ended), talking(kind, tmp_path, path=path, code=NO_TOOLS):
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
            last = list(found.findings(lambda _: True))[-1]
            assert last == {"skew": 0.0, "more": {}, "walked": True, "checked": False}
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


# It looks at one name after the other, and does this when it comes to the folder `d`.
ONE_BY_ONE = """case $2 in //*) ;; *) exec {stat} "$@";; esac
form=$2 code=0; shift 2
for path; do
  case $path in */d) {before};; esac
  {stat} -c "$form" "$path" || code=1
  case $path in */d) {after};; esac
done
exit $code"""


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        ("mv $path $path.old", "mv $path.new $path", {"c", "y", "root"}),
        ("mv $path $path.old; ln -s $path.new $path", ":", {"c", "y", "root", "d"}),
    ],
)
def test_a_folder_that_is_replaced_gives_its_files_to_no_other(
    tmp_path: Path, before: str, after: str, told: set[str]
) -> None:
    """Its record is missing, or that of a symlink, and its files are there all the same."""
    root = tmp_path / "root"
    for name in ("c", "d", "d.new"):
        (root / name).mkdir(parents=True)
    (root / "c/y").touch()
    for name in ("d", "d.new"):
        (root / name / "x").touch()
    (root / "d.new").rename(tmp_path / "d.new")
    before, after = (text.replace("$path.", f"{tmp_path}/d.") for text in (before, after))
    lie = ONE_BY_ONE.format(stat=shutil.which("stat"), before=before, after=after)
    path = in_path(tmp_path / "bin", stat=lie)
    found: list[dict[str, Any]] = []
    with talking("busybox", root, path=path, findings=found) as talk:
        names = {Path(name).name for name in talk.listed()}
    assert names == told
    lost = {"absent": f"{root}/d/x"[1:], "why": "its folder was replaced meanwhile"}
    assert lost in found
    gone = [item["gone"] for item in found if "gone" in item]
    assert gone == ([] if "d" in told else [f"{root}/d"[1:]])


def said_by(kind: str, said: bytes, records: bytes = b"") -> list[dict[str, Any]]:
    """The findings of a find with these last words, but for the last one."""
    mark = (b"", b"\0%b\0") if kind == "find" else (b"//=1\n", b"//\n%b\n//")
    text = listing.GREETING + records + mark[0] + mark[1] % said
    with pipe() as (end, there), ThreadPoolExecutor(1) as pool:
        pool.submit(there.write, text)  # it may be more than a pipe holds
        found = listing.Listing(end.fileno(), kind)
        while not found.ended:
            found.more()
    *told, last = found.findings(lambda name: name != "srv/out")
    sure = {"walked": True, "checked": kind == "find"}  # the other one does not look at errors
    assert last == {"skew": 0.0, "more": {}, **sure}
    return told


GONE = b": No such file or directory"


@pytest.mark.parametrize(
    ("line", "name"),
    [
        (b"find: '/srv/a b'", "srv/a b"),
        (b"find: '/srv/1.M2P3.mail,S=4:2,S'", "srv/1.M2P3.mail,S=4:2,S"),
        (rb"find: '/srv/caf\351'", "srv/caf\udce9"),
        (rb"find: '/srv/two\nlines, it\'s a \\'", "srv/two\nlines, it's a \\"),
        (b"find: /srv/caf\xe9 it's", "srv/caf\udce9 it's"),
        (b"stat: cannot stat '/srv/x'", "srv/x"),
        (rb"stat: cannot statx '/srv/back\slash'", "srv/back\\slash"),
        (b'stat: cannot statx "/srv/it\'s"', "srv/it's"),
        (b"stat: can't stat '/srv/it's'", "srv/it's"),
    ],
)
def test_a_name_that_is_gone_when_its_turn_comes_is_told(line: bytes, name: str) -> None:
    """It may be there again: the job asks for it."""
    kind, end = ("busybox", b"\ncode 1\nnames 1") if line[:1] == b"s" else ("find", b"\ncode 1")
    assert said_by(kind, line + GONE + end) == [{"gone": name}]


@pytest.mark.parametrize(
    "line",
    [
        b"stat: cannot statx '/srv/caf'$'\\351'",
        b"stat: cannot statx '/srv/it'\\''s \"x\"'",
        b'stat: cannot statx "/srv/$x"',
        b"lines'",
        b"find: a",
    ],
)
def test_a_name_that_nobody_can_make_out_counts_as_lost(line: bytes) -> None:
    told = said_by("busybox", line + GONE + b"\nstat: \ncode 1\nnames 1")
    assert told[0] == {"absent": "", "why": (line + GONE).decode()}


def test_what_is_left_out_may_be_gone() -> None:
    assert said_by("find", b"find: '/srv/out'" + GONE + b"\ncode 1") == []


def test_complaints_that_are_cut_fail_the_run() -> None:
    """Those of a folder that may not be read could be before them."""
    line = b"find: '/srv/x'" + GONE + b"\n"
    lines = line * (MOST_SAID // len(line) + 1)
    said = (lines + b"code 1\n")[-MOST_SAID - 1 :].rstrip(b"\n")
    assert {"absent": "", "why": "find complains of more than it can tell"} in said_by("find", said)


def test_a_stat_without_a_word_fails_the_run() -> None:
    why = {"absent": "", "why": "stat has failed without a word"}
    assert said_by("busybox", b"code 0\nnames 1") == [why]


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_that_goes_while_it_is_listed_is_told(tmp_path: Path, kind: str) -> None:
    root = tmp_path / "root"
    root.mkdir()
    (root / "dump.sql").touch()
    (root / "stays").touch()
    gone = f"{root}/dump.sql"
    usual = "PATH=${PATH#*:}"
    lies = {
        "stat": f'{usual}; case $2 in //*) rm -f {gone};; esac; exec stat "$@"',
        # As if it had been gone before: GNU's looks at each name once.
        "find": f'{usual}; case $2 in -printf) rm {gone}; find {gone};; esac; exec find "$@"',
    }
    lie = "stat" if kind == "busybox" else "find"
    path = in_path(tmp_path / "bin", **{lie: lies[lie]})
    found: list[dict[str, Any]] = []
    with talking(kind, root, path=path, findings=found) as talk:
        assert "stays" in talk.listed()
    assert found[0] == {"gone": gone[1:]}


def test_a_tree_that_is_too_deep_is_told(tmp_path: Path) -> None:
    """The engine takes no longer paths, and the helper goes no deeper."""
    root = tmp_path / "root"
    root.mkdir()
    deep = root
    for _ in range(MAX_DEPTH + 2):
        deep /= "d"
        deep.mkdir()
    found: list[dict[str, Any]] = []
    with talking("find", root, findings=found) as talk:
        talk.listed()
    assert len(talk.rows) == MAX_DEPTH + 1
    lost = [
        {"absent": str(path)[1:], "why": "it is too deep for stream"}
        for path in (deep.parent, deep)
    ]
    assert found[:-1] == lost
