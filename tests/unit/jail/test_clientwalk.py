"""What a client's own walk sends, and what it says of errors."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

import pytest

from borgpull.client import walk as walks
from borgpull.client.shell import script as text_of
from borgpull.jail.clientwalk import ClientWalk, WalkBroken, complaint
from borgpull.jail.wanted import Known, Wanted
from borgpull.methods import arrivals
from borgpull.methods.arrivals import is_new


def walk_of(data: bytes, tmp_path: Path) -> ClientWalk:
    path = tmp_path / "walk"
    path.write_bytes(data)
    return ClientWalk(os.open(path, os.O_RDONLY))


def test_the_script_by_a_shell_of_here(tmp_path: Path) -> None:
    tree = tmp_path / "a tree"
    tree /= "PRUNE PATHS 'x'"  # nothing in a name is replaced
    for name in (b"plain", b"two\nlines", b"caf\xe9", b"[x]/inside", b"skip*/inside"):
        path = os.fsencode(tree) + b"/" + name
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb"):
            pass
    script = walks.script([str(tree)], [str(tree / "skip*")])
    done = subprocess.run(["sh", "-s"], input=script, capture_output=True, check=True, timeout=60)
    walk = walk_of(b"a message of the day\n" + done.stdout, tmp_path)
    ahead = walk.header()
    assert ahead is not None and abs(ahead) < 60
    names = {os.path.relpath(path, tree) for path in walk.paths()}
    assert names == {".", "plain", "two\nlines", "caf\udce9", "[x]", "[x]/inside"}
    assert walk.said == []


@pytest.mark.parametrize(
    "data", [b"", b"This account is not available.\n", bytes(1 << 17), b"borgpull-walk 17"]
)
def test_no_shell_no_walk(data: bytes, tmp_path: Path) -> None:
    assert walk_of(data, tmp_path).header() is None


@pytest.mark.parametrize(
    "tail",
    [
        b"",
        b"/a\0/b",
        b"/a\0\0",
        b"/a\0\0code 0",  # no NUL: cut
        b"/a\0\0code 2\0",
        b"/a\0\0code 1\0",  # failed, and says nothing
        b"/a\0\0\0",
        b"x" * (3 << 20),
        b"/a\0\0" + (b"find: '/x': No such file or directory\n" * 30_000)[:999_992] + b"\ncode 1\0",
    ],
)
def test_a_walk_that_does_not_end_well(tail: bytes, tmp_path: Path) -> None:
    walk = walk_of(b"borgpull-walk %d\0" % time.time() + tail, tmp_path)
    assert walk.header() is not None
    with pytest.raises(WalkBroken):
        list(walk.paths())


def test_errors_of_the_walk(tmp_path: Path) -> None:
    said = b"find: '/a/b': Input/output error\nfind: /c: Permission denied\ncode 1\0"
    walk = walk_of(b"borgpull-walk 5\0/a\0\0" + said, tmp_path)
    assert walk.header()
    assert list(walk.paths()) == ["/a"]
    assert [complaint(line) for line in walk.said] == [("/a/b", False), ("/c", False)]
    assert complaint("find: '/gone': No such file or directory") == ("/gone", True)
    assert complaint(r"find: '/caf\351': Input/output error") == (None, False)
    assert complaint("find: /a: b: Stale file handle") == (None, False)
    assert complaint("No such file or directory") == (None, False)


def test_many_names_are_known_by_eight_bytes_each() -> None:
    known = Known()
    for number in range(10_000):
        known.add(f"folder/{number}")
    assert "folder/9999" in known
    assert "folder/10000" not in known
    known.add("folder/10000")
    assert "folder/10000" in known


def test_what_is_wanted() -> None:
    wanted = Wanted(["/"], [], ["re:^(?:proc/|run/(?!disk(?:/|\\Z)))"], ["/mnt/nfs"])
    assert wanted("etc/passwd")
    assert wanted("process")
    assert wanted("proc") and not wanted("proc/1"), "the mount point itself is saved"
    assert wanted("run/disk/file") and not wanted("run/user/file")
    assert not wanted("mnt/nfs/file")


def test_what_came_during_the_run() -> None:
    times = {
        "d": (10, 10),
        "d/old": (10, 20),
        "d/moved-in": (10, 120),
        "swapped": (10, 130),
        "swapped/f": (5, 5),
        "busy": (140, 140),
        "busy/old": (5, 5),
        "gone": None,
    }
    new = {path for path in times if is_new(path, dict(times), 100)}
    assert new == {"d/moved-in", "swapped", "swapped/f", "busy", "gone"}
    assert not is_new("not/asked", {}, 100)


def arrived(tmp_path: Path, path: str) -> dict[str, tuple[int, int] | None]:
    """What a shell with these programs says of five names, after a greeting."""
    for name in ("old", "new", "dangling"):
        (tmp_path / name).unlink(missing_ok=True)
    (tmp_path / "old").touch()
    (tmp_path / "new").touch()
    (tmp_path / "dangling").symlink_to("nowhere")
    os.utime(tmp_path / "old", (5, 5))
    names = [f"{tmp_path}/{name}"[1:] for name in ("old", "gone", "new", "dangling", "old/x")]
    done = subprocess.run(
        ["/bin/sh", "-s"],
        input="echo a greeting; printf 'and more'\n" + arrivals.script_for(names),
        env={"PATH": path},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    found = arrivals.read(names, done.stdout)
    return {name.rpartition("/")[2]: found[name] for name in names if name in found}


def test_a_client_without_stat_knows_no_times_but_what_is_gone(tmp_path: Path) -> None:
    """busybox may have none: what the listing of a folder has left out passed for new."""
    usual = arrived(tmp_path, "/usr/bin:/bin")
    assert usual["gone"] is None and usual["x"] is None
    assert usual["old"] is not None and usual["old"][0] == 5
    assert usual["dangling"] is not None and usual["new"] is not None
    tools = tmp_path / "tools"
    tools.mkdir()
    (tools / "ls").symlink_to("/bin/ls")
    assert arrived(tmp_path, str(tools)) == {"gone": None, "x": None}
    assert arrived(tmp_path, "/nowhere") == {}, "nor that, without ls"
    # As BSD's, which knows -f only.
    (tools / "stat").write_text('#!/bin/sh\n[ "$1" = -f ] && [ -e "$4" ] && echo 7 8\n')
    (tools / "stat").chmod(0o755)
    assert arrived(tmp_path, str(tools))["old"] == (7, 8)


def test_losses_counted_by_a_shell_of_here(tmp_path: Path) -> None:
    tree = tmp_path / 'PATHS "$@" PRUNE'
    for name in ("run/disk/one", "run/not-saved", "etc/two"):
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).touch()
        os.link(tree / name, tree / f"{name}-again")
    os.utime(tree / "etc/two", (-86_400, -86_400))
    words = walks.words([str(tree), str(tree / "run/disk")], [str(tree / "run")])
    script = words + "".join(map(text_of, ("count.sh", "count_sftp.sh", "count_times.sh")))
    done = subprocess.run(["sh", "-s"], input=script, capture_output=True, text=True, timeout=60)
    assert {"hard_links 4", "times 2", "sockets 0"} <= set(done.stdout.splitlines()), done
