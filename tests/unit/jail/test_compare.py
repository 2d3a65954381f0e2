"""The comparison of an archive's listing with a tree, both ways."""

from __future__ import annotations

import contextlib
import json
import os
import socket
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from borgpull.client.mounts import of_client
from borgpull.jail.clientwalk import ClientWalk
from borgpull.jail.compare import MAX_SECONDS, Comparison, Folder, folders
from borgpull.jail.reread import read_again, reads_short
from borgpull.jail.wanted import Plan
from borgpull.methods.comparison import is_cut, needs_reading
from borgpull.process import pipe

TIME = 1_600_000_000
NS = TIME * 10**9
MOUNTS = b"""1 0 0:1 / / rw - ext4 a rw
2 1 0:2 / /mnt/nfs rw - nfs4 b rw
3 1 0:3 / /run rw - tmpfs c rw
4 3 0:4 / /run/disk rw - ext4 d rw
"""
STARTED = 1_700_000_000.0

Item = tuple[str, str, int, int]  # path, type, size, mtime in ns


@pytest.fixture
def tree(tmp_path: Path) -> Iterator[Path]:
    before = Path.cwd()
    os.chdir(tmp_path)
    yield tmp_path
    os.chdir(before)


def file(path: str | bytes, size: int, time: float = TIME) -> None:
    folder = os.path.dirname(path)
    if folder:
        os.makedirs(folder, exist_ok=True)
    with open(path, "wb") as target:
        target.write(bytes(size))
    os.utime(path, (time, time))


def quiet(*paths: str) -> None:
    """Folders that nobody has touched for long."""
    for path in paths:
        os.utime(path or ".", (TIME, TIME))


def regular(path: str, size: int, mtime: int = NS) -> Item:
    return (path, "-", size, mtime)


def folder(path: str, mtime: int = NS) -> Item:
    return (path, "d", 0, mtime)


def compared(
    items: Iterable[Item], walk: ClientWalk | None = None, **plan: Any
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    modes = {"-": "-rw-r--r--", "d": "drwxr-xr-x", "l": "lrwxrwxrwx", "p": "prw-r--r--"}
    rows = [(path, modes[kind], size, mtime, 0, 0) for path, kind, size, mtime in items]
    plan = {key: [] for key in ("exclude", "left_out", "disks", "mounts", "allowed")} | plan
    made = Plan(**{"roots": ["/"], "started": STARTED, **plan})
    *found, counts = Comparison(made, walk).run([json.dumps(rows).encode()])
    return found, counts


def test_folders_are_whole_once_the_walk_has_left_them() -> None:
    items = [
        folder("."),
        regular("a", 1),
        folder("d"),
        regular("d/x", 2),
        folder("d/e"),
        regular("d/y", 3),
        regular("z", 4),
    ]
    found = {item.path: (item.mtime, sorted(item.items)) for item in folders(iter(items))}
    assert found == {"d/e": (NS, []), "d": (NS, ["e", "x", "y"]), "": (NS, ["a", "d", "z"])}
    order = [item.path for item in folders(iter(items))]
    assert order == ["d/e", "d", ""]
    # Of the folders above a named path nothing is known but that path.
    named = list(folders(iter([folder("srv/a"), regular("srv/a/f", 1), regular("etc/g", 1)])))
    assert [(item.path, item.mtime) for item in named] == [
        ("srv/a", NS),
        ("srv", None),
        ("etc", None),
    ]


@contextlib.contextmanager
def walking(text: bytes) -> Iterator[ClientWalk]:
    """A walk that sends this behind its clock."""
    with pipe() as (source, client):
        client.write(b"borgpull-walk %d" % STARTED + text)
        client.close()
        yield ClientWalk(source.fileno())


@pytest.mark.usefixtures("tree")
def test_same_different_and_gone() -> None:
    for name, size in (("same", 5), ("longer", 9), ("rewritten", 7)):
        file(f"etc/{name}", size)
    os.utime("etc/rewritten", (TIME + 1, TIME + 1))
    os.symlink("same", "etc/was-a-file")
    file("top", 1)
    items = [
        regular("etc/same", 5),
        regular("etc/longer", 4),
        regular("etc/rewritten", 7),
        regular("etc/was-a-file", 4),
        regular("etc/gone", 1),
        ("etc/link", "l", 0, NS),
        regular("top", 1),
    ]
    found, counts = compared(items)
    assert {item["differs"]: (item["archived"], item["now"]) for item in found} == {
        "etc/longer": (4, 9),
        "etc/rewritten": (7, 7),
        "etc/was-a-file": (4, None),
        "etc/gone": (1, None),
    }
    assert [item["differs"] for item in found if needs_reading(item)] == ["etc/longer"]
    assert (counts["counts"], counts["bytes"]) == ({"-": 6, "l": 1}, 22)
    assert counts["skew"] is None


@pytest.mark.usefixtures("tree")
def test_names_that_are_no_text_are_compared_byte_by_byte() -> None:
    file(b"na\xffmes/a\xfeb", 3)
    file(b"na\xfdmes/a\xfeb", 4)
    first, second = (os.fsdecode(name) for name in (b"na\xffmes/a\xfeb", b"na\xfdmes/a\xfeb"))
    assert compared([regular(first, 3), regular(second, 4)])[0] == []
    (finding,), _ = compared([regular(first, 2), regular(second, 4)])
    assert (finding["differs"], finding["now"]) == (first, 3)
    (again,) = read_again([json.dumps(finding).encode()])
    assert (again["differs"], again["now"], again["unreadable"]) == (first, 3, False)


@pytest.mark.usefixtures("tree")
def test_what_is_on_the_client_and_not_in_the_archive() -> None:
    file("srv/in", 1)
    file("srv/lost", 1)
    file("srv/sub/below", 1)
    file("busy/new", 1)
    with socket.socket(socket.AF_UNIX) as made:
        made.bind("srv/socket")
        quiet("srv/sub", "srv")
        os.utime("busy", (TIME + 5, TIME + 5))
        items = [folder("srv"), regular("srv/in", 1), folder("busy")]
        found, _ = compared(items)
    told = {tuple(item.items()) for item in found}
    assert told == {
        (("absent", "srv/lost"),),
        (("absent", "srv/sub"),),
        (("came", "busy/new"),),
    }
    # A folder that changed in the second in which borg saw it is no quiet one.
    os.utime("srv", (STARTED + 1, STARTED + 1))
    items[0] = folder("srv", int(STARTED + 1) * 10**9)
    found, _ = compared(items)
    assert {next(iter(item)) for item in found} == {"came"}


@pytest.mark.usefixtures("tree")
def test_what_was_not_asked_for_is_not_missed() -> None:
    for path in ("home/.cache/x", "home/kept", "mnt/nfs/y", "run/f", "run/disk/z", "secret/z"):
        file(path, 1)
    quiet("home/.cache", "home", "mnt/nfs", "mnt", "run/disk", "run", "secret")
    items = [folder("home"), regular("home/kept", 1), folder("mnt"), folder("secret")]
    items += [folder("run"), folder("run/disk")]
    mounts = of_client(MOUNTS, ["/"])
    found, _ = compared(
        items,
        left_out=mounts.points(),
        disks=list(mounts.disks),
        mounts=mounts.patterns(),
        allowed=["/secret"],
    )
    assert found == [{"absent": "home/.cache"}, {"absent": "run/disk/z"}]


@pytest.mark.usefixtures("tree")
def test_a_listing_that_breaks_off_is_told_by_the_clients_own_walk() -> None:
    """sftp-server takes the error for the listing's end: both borg and the comparison saw `a`."""
    file("srv/a", 1)
    quiet("srv")
    said = b"find: '/srv': Input/output error\nfind: '/run/x': Input/output error\ncode 1\0"
    items = [folder("srv"), regular("srv/a", 1)]
    with walking(b" GNU\0/srv\0/srv/a\0\0" + said) as walk:
        found, counts = compared(items, walk, mounts=["re:^run/"])
    assert found == [{"absent": "srv", "why": "find: '/srv': Input/output error"}]
    assert counts["skew"] is not None and counts["checked"]


@pytest.mark.usefixtures("tree")
@pytest.mark.parametrize(
    ("names", "walked"),
    [
        (b"\0/srv\0/srv/a\0/srv/hidden\0\0", True),
        (b" GNU\0/other\0\0", False),
        (b" GNU\0/srv\0/srv/hidden\0\0", False),
    ],
)
def test_a_walk_that_checks_nothing_is_told(names: bytes, walked: bool) -> None:
    """By busybox's find, or through another tree. SFTP does not know a name: the shell is asked."""
    file("srv/a", 1)
    quiet("srv")
    items = [folder("srv"), regular("srv/a", 1)]
    with walking(names + b"code 0\0") as walk:
        found, counts = compared(items, walk, roots=["/srv"])
    assert found == ([{"denied": "srv/hidden"}] if walked else [])
    assert (counts["walked"], counts["checked"]) == (walked, False)


@pytest.mark.usefixtures("tree")
def test_a_folder_too_deep_for_sftp_to_name_what_is_in_it() -> None:
    deep = "/".join(["d" * 200] * 19)  # 3,818 bytes
    os.makedirs(deep)
    assert compared([folder(deep, os.stat(deep).st_mtime_ns)])[0] == []
    deeper = f"{deep}/{'e' * 30}"
    os.mkdir(deeper)
    found, _ = compared([folder(deeper, os.stat(deeper).st_mtime_ns)])
    assert found == [{"unnameable": deeper}]
    found, _ = compared([folder(deeper, os.stat(deeper).st_mtime_ns)], allowed=[f"/{deep}"])
    assert found == []


@pytest.mark.usefixtures("tree")
def test_times_that_borg_cannot_store() -> None:
    file("early", 1, -86_400)
    file("late", 1, 2**31)
    found, counts = compared([regular("early", 1, 0), regular("late", 1, MAX_SECONDS * 10**9)])
    assert found == [], "as borg stores them, they are the same"
    assert counts["times"] == 2


@pytest.mark.usefixtures("tree")
def test_reading_to_the_end() -> None:
    file("x", 10)
    assert not reads_short("x", 10)
    assert reads_short("x", 11)
    assert reads_short("gone", 0)
    os.symlink("x", "link")
    assert reads_short("link", 10), "a link is never followed"


def test_what_counts_as_cut() -> None:
    def cut(**other: Any) -> bool:
        found = {"archived": 3, "now": 8, "mtime": NS, "now_mtime": NS, **other}
        return is_cut(found, STARTED, STARTED + 600)

    assert cut()
    assert not cut(now_mtime=NS + 10**9), "changed since"
    assert cut(now_mtime=NS + 10**9, unreadable=True)
    assert not cut(now=None)
    assert not cut(archived=9), "the file was truncated on the client"
    within = int(STARTED + 5) * 10**9
    assert not cut(mtime=within, now_mtime=within), "written in the second of the run itself"
    future = int(STARTED + 10**8) * 10**9
    assert cut(mtime=future, now_mtime=future), "nobody has written it in the future"


def test_a_folder_holds_nothing_by_itself() -> None:
    assert Folder("x", None).items == {}
