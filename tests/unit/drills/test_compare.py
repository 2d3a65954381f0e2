"""The comparison, on a folder with every kind of entry, beside two programs of other authors.

mtree (of NetBSD) compares a folder with a specification, rsync with another folder. What each is
blind to by design stands in the tables; in all else their verdicts agree.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from borgpull.drills.compare import Comparison
from borgpull.drills.findings import Found
from borgpull.drills.tree import Tree
from borgpull.trees.item import Item
from borgpull.trees.manifest import Entry
from tests.support.entries import (
    ACCESS,
    CAPABILITY,
    DEFAULT,
    TIME,
    corpus,
    entries_of,
    keeping,
)

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="makes devices and owners")

KEYWORDS = "type,mode,uid,gid,size,time,link,device,nlink,sha256"
RSYNC = ("rsync", "-aHAXn", "--checksum", "--itemize-changes", "--delete")
LATIN, OTHER_LATIN = "caf\udce9", "caf\udce8"  # names that are no UTF-8

Mutation = Callable[[Path], object]


def write(name: str, at: int, data: bytes) -> Mutation:
    def change(path: Path) -> None:
        with path.open("r+b") as file:
            file.seek(at)
            file.write(data)

    return kept(name, change)


def kept(name: str, change: Mutation) -> Mutation:
    return lambda root: keeping(root / name, change)


def again(name: str, make: Mutation) -> Mutation:
    """Another entry in its place, with its owner and times."""

    def change(path: Path) -> None:
        before = path.lstat()
        if path.is_dir() and not path.is_symlink():
            path.rename(path.with_name("aside"))
        else:
            path.unlink()
        make(path)
        os.chown(path, before.st_uid, before.st_gid, follow_symlinks=False)

    return kept(name, change)


def copied(path: Path) -> None:
    """A file of its own, in the place of a name of another."""
    subprocess.run(["cp", "-a", path, f"{path}.new"], check=True)
    os.replace(f"{path}.new", path)


def linked(root: Path, name: str, to: str) -> None:
    (root / name).unlink()
    os.link(root / to, root / name)


def renamed(name: str, to: str) -> Mutation:
    return lambda root: (root / name).rename(root / to)


def timed(name: str, more: int) -> Mutation:
    times = (TIME, TIME + more)
    return lambda root: os.utime(root / name, ns=times, follow_symlinks=False)


def owned(name: str, user: int, group: int) -> Mutation:
    return kept(name, lambda path: os.chown(path, user, group, follow_symlinks=False))


def node(kind: int, mode: int, number: tuple[int, int]) -> Mutation:
    def make(path: Path) -> None:
        os.mknod(path, kind | mode, os.makedev(*number))
        path.chmod(mode)

    return make


def set_acl(path: Path) -> None:
    """Its mask, which the mode shows, is as before."""
    before = os.getxattr(path, ACCESS)
    os.setxattr(path, ACCESS, before.replace((1234).to_bytes(4, "little"), b"\x01\0\0\0"))


def without_acl(path: Path) -> None:
    mode = path.stat().st_mode & 0o7777
    os.removexattr(path, ACCESS)
    path.chmod(mode)


def symlinked(path: Path) -> None:
    path.symlink_to("aside")


# What is done to a copy, and what must be found: kinds by path. `aside` is where `again` puts a
# folder.
CAUGHT: dict[str, tuple[Mutation, dict[str, set[str]]]] = {
    "dropped": (lambda root: (root / "empty").unlink(), {"empty": {"missing"}}),
    "extra": (lambda root: (root / "new").touch(), {"new": {"extra"}}),
    "extra in a folder": (
        kept("folder", lambda path: (path / "new").symlink_to("x")),
        {"folder/new": {"extra"}},
    ),
    "byte": (write("large", 100_000, b"X"), {"large": {"content"}}),
    "byte beside a hole": (write("sparse", 1 << 20, b"D"), {"sparse": {"content"}}),
    "byte in a hole": (write("sparse", 99, b"D"), {"sparse": {"content"}}),
    "zeroes": (write("large", 4096, bytes(4096)), {"large": {"content"}}),
    "byte in a closed folder": (write("closed/file", 0, b"y"), {"closed/file": {"content"}}),
    "byte of a long name": (write("n" * 255, 0, b"L"), {"n" * 255: {"content"}}),
    "cut": (
        kept("large", lambda path: os.truncate(path, 70_000)),
        {"large": {"size", "content"}},
    ),
    "longer": (write("plain", 5, b"!"), {"plain": {"size", "content"}}),
    "byte by another name": (write("two", 0, b"L"), {"one": {"content"}}),
    "mode": (kept("plain", lambda path: path.chmod(0o645)), {"plain": {"mode"}}),
    "setuid": (kept("setuid", lambda path: path.chmod(0o755)), {"setuid": {"mode"}}),
    "sticky": (
        kept("empty-folder", lambda path: path.chmod(0o777)),
        {"empty-folder": {"mode"}},
    ),
    "device's mode": (kept("null", lambda path: path.chmod(0o600)), {"null": {"mode"}}),
    "user": (owned("owner", 0, 4321), {"owner": {"owner"}}),
    "group": (owned("plain", 0, 7), {"plain": {"owner"}}),
    "owner of a symlink": (owned("link", 7, 7), {"link": {"owner"}}),
    "target": (again("link", lambda path: path.symlink_to("plaim")), {"link": {"target"}}),
    "symlink's type": (again("link", lambda path: path.write_bytes(b"plain")), {"link": {"type"}}),
    "fifo's type": (again("fifo", lambda path: path.touch(0o640)), {"fifo": {"type"}}),
    "folder's type": (
        again("empty-folder", symlinked),
        {"empty-folder": {"type"}, "aside": {"extra"}},
    ),
    "folder behind a symlink": (
        again("folder", symlinked),
        {
            "folder": {"type"},
            **{
                f"folder/{name}": {"missing"}
                for name in ("below", "below/deep", "below/deep/file", "file")
            },
            **{
                f"aside{name}": {"extra"}
                for name in ("", "/below", "/below/deep", "/below/deep/file", "/file")
            },
        },
    ),
    "device": (again("null", node(stat.S_IFCHR, 0o666, (1, 5))), {"null": {"device"}}),
    "minor": (again("block", node(stat.S_IFBLK, 0o660, (7, 201))), {"block": {"device"}}),
    "device's type": (again("block", node(stat.S_IFCHR, 0o660, (7, 200))), {"block": {"type"}}),
    "second": (timed("plain", 10**9), {"plain": {"time"}}),
    "nanosecond": (timed("plain", 1), {"plain": {"time"}}),
    "microsecond": (timed("plain", 1000), {"plain": {"time"}}),
    "folder's time": (timed("folder/below", -(10**9)), {"folder/below": {"time"}}),
    "symlink's time": (timed("dangling", 10**9), {"dangling": {"time"}}),
    "xattr dropped": (
        kept("xattr", lambda path: os.removexattr(path, "user.note")),
        {"xattr": {"xattr"}},
    ),
    "xattr's value": (
        kept("xattr", lambda path: os.setxattr(path, "user.note", b"Value")),
        {"xattr": {"xattr"}},
    ),
    "xattr of a folder": (
        kept("folder", lambda path: os.setxattr(path, "user.new", b"")),
        {"folder": {"xattr"}},
    ),
    "ACL": (kept("acl", set_acl), {"acl": {"acl"}}),
    "ACL dropped": (kept("acl", without_acl), {"acl": {"acl"}}),
    "default ACL": (
        kept("default", lambda path: os.removexattr(path, DEFAULT)),
        {"default": {"acl"}},
    ),
    "capability": (
        kept("capability", lambda path: os.removexattr(path, "security.capability")),
        {"capability": {"capability"}},
    ),
    "capability more": (
        kept("plain", lambda path: os.setxattr(path, "security.capability", CAPABILITY)),
        {"plain": {"capability"}},
    ),
    "hard link broken": (kept("two", copied), {"two": {"hard link"}}),
    "hard link more": (
        lambda root: linked(root, "twin", "other-twin"),
        {"twin": {"hard link"}, "other-twin": {"hard link"}},
    ),
    "hard links crossed": (
        lambda root: (
            (root / "pair-link").rename(root / "aside"),
            (root / "second-pair-link").rename(root / "pair-link"),
            (root / "aside").rename(root / "second-pair-link"),
        ),
        {
            # That each file has one name of the other is seen at three of the four.
            "pair-link": {"hard link"},
            "second-pair": {"hard link"},
            "second-pair-link": {"hard link"},
        },
    ),
    "another form of a letter": (
        renamed("caf\u00e9", "cafe\u0301"),
        {"caf\u00e9": {"missing"}, "cafe\u0301": {"extra"}},
    ),
    "another byte of a name": (
        renamed(LATIN, OTHER_LATIN),
        {LATIN: {"missing"}, OTHER_LATIN: {"extra"}},
    ),
    "capital letter": (renamed("plain", "Plain"), {"plain": {"missing"}, "Plain": {"extra"}}),
}
# These leave what a client had as it was.
HARMLESS: dict[str, Mutation] = {
    "nothing": lambda root: None,
    "access time": lambda root: os.utime(root / "plain", ns=(1, TIME)),
    "change time": kept("plain", lambda path: path.chmod(0o644)),
    "hole filled": write("sparse", 0, bytes(1 << 20)),
    "another inode": kept("large", copied),
    "order in the folder": lambda root: [
        (root / "twin").rename(root / "aside"),
        (root / "aside").rename(root / "twin"),
    ],
}
# What the others do not look at, and why.
BLIND: dict[str, set[str]] = {
    "mtree": {
        # It has no keyword for them.
        *("xattr dropped", "xattr's value", "xattr of a folder"),
        *("ACL", "ACL dropped", "default ACL", "capability", "capability more"),
        "nanosecond",  # it compares microseconds
        "hard links crossed",  # it counts the names of a file, and knows none of them
    },
    "rsync": {
        *("nanosecond", "microsecond"),  # without --modify-window=-1 it compares whole seconds
        "device's type",  # it compares the numbers of devices
        "hard link more",  # -H makes hard links, and undoes none
    },
}


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return corpus(tmp_path_factory.mktemp("compare") / "original")


@pytest.fixture(scope="module")
def wanted(original: Path) -> list[Entry]:
    return entries_of(original)


@pytest.fixture(scope="module")
def specification(original: Path) -> Path:
    if shutil.which("mtree") is None:
        pytest.skip("there is no mtree: scripts/ground installs it")
    made = original.with_name("specification")
    with made.open("wb") as file:
        subprocess.run(["mtree", "-c", "-k", KEYWORDS, "-p", original], stdout=file, check=True)
    return made


@pytest.fixture
def copy(original: Path) -> Iterator[Path]:
    """As a restore would make it."""
    made = original.with_name("copy")
    subprocess.run(["cp", "-a", "--sparse=always", original, made], check=True)
    yield made
    shutil.rmtree(made)


def mutated(root: Path, change: Mutation) -> None:
    """The folder's own time is put back."""
    keeping(root, change)


def compared(root: Path, every: list[Entry], **options: object) -> Found:
    found = Found()
    with contextlib.closing(Tree(root)) as tree:
        one = Comparison(tree, found, **options)  # type: ignore[arg-type]
        one.run(every, lambda entry: None)
        one.strangers(lambda: (entry.item.path for entry in every))
    return found


def kinds_of(found: Found) -> dict[str, set[str]]:
    kinds: dict[str, set[str]] = {}
    for finding in found.findings:
        kinds.setdefault(finding["path"].removeprefix("/"), set()).add(finding["kind"])
    return kinds


def by_mtree(specification: Path, root: Path) -> bool:
    """Does it differ?"""
    done = subprocess.run(
        ["mtree", "-f", specification, "-p", root], capture_output=True, check=False
    )
    assert done.returncode in (0, 2), done.stderr
    return bool(done.stdout)


def by_rsync(original: Path, root: Path) -> bool:
    """Does it differ?"""
    done = subprocess.run([*RSYNC, f"{original}/", f"{root}/"], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    return bool(done.stdout)


@pytest.mark.parametrize("name", CAUGHT)
def test_each_mutation_is_found_and_nothing_else(
    name: str, copy: Path, wanted: list[Entry]
) -> None:
    change, expected = CAUGHT[name]
    mutated(copy, change)
    assert kinds_of(compared(copy, wanted)) == expected


@pytest.mark.parametrize("name", HARMLESS)
def test_what_a_client_cannot_tell_is_no_difference(
    name: str, copy: Path, wanted: list[Entry]
) -> None:
    mutated(copy, HARMLESS[name])
    found = compared(copy, wanted)
    assert not found.kinds
    assert found.proved == found.restored
    assert found.proved[0] == sum(one.item.regular and one.item.first_name for one in wanted)


@pytest.mark.parametrize("name", [*CAUGHT, *HARMLESS])
def test_mtree_and_rsync_have_the_same_verdict(
    name: str, copy: Path, original: Path, wanted: list[Entry], specification: Path
) -> None:
    change = CAUGHT[name][0] if name in CAUGHT else HARMLESS[name]
    mutated(copy, change)
    ours = bool(compared(copy, wanted).kinds)
    agrees("mtree", name, ours, by_mtree(specification, copy))
    if shutil.which("rsync"):
        agrees("rsync", name, ours, by_rsync(original, copy))


def agrees(program: str, name: str, ours: bool, theirs: bool) -> None:
    """Another version of it may see what it is blind to here."""
    if theirs or name not in BLIND[program]:
        assert theirs == ours, f"{program} says otherwise"


def test_a_stranger_does_not_hide_a_name_that_became_another_one(
    tmp_path: Path,
) -> None:
    """Some file systems know no capital letters. Their number of names is then the right one."""
    (tmp_path / "a").mkdir()
    (tmp_path / "stranger").mkdir()
    wanted = [one for one in entries_of(tmp_path) if one.item.path == "a"]

    class Folding(Tree):
        def look(self, path: str):  # type: ignore[no-untyped-def]
            return super().look(path.lower())

    wanted.append(wanted[0]._replace(item=wanted[0].item._replace(path="A")))
    found = Found()
    with contextlib.closing(Folding(tmp_path)) as tree:
        one = Comparison(tree, found)
        one.run(wanted, lambda entry: None)
        one.strangers(lambda: (entry.item.path for entry in wanted))
    assert kinds_of(found) == {"A": {"name clash"}, "stranger": {"extra"}}


def test_a_stranger_does_not_hide_behind_a_path_that_comes_twice(tmp_path: Path) -> None:
    (tmp_path / "a").touch()
    wanted = entries_of(tmp_path) * 2
    assert not compared(tmp_path, wanted).kinds
    (tmp_path / "stranger").touch()
    assert kinds_of(compared(tmp_path, wanted)) == {"stranger": {"extra"}}


def test_folders_above_the_saved_paths_and_the_root_are_no_strangers(tmp_path: Path) -> None:
    (tmp_path / "srv/data").mkdir(parents=True)
    (tmp_path / "srv/data/file").write_bytes(b"x")
    below = [one for one in entries_of(tmp_path) if one.item.path.startswith("srv/data/")]
    root = below[0]._replace(item=below[0].item._replace(path=".", mode="drwx------"))
    assert not compared(tmp_path, [root, *below]).kinds


def test_what_is_compared_by_its_name_only_is_not_proved(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to("target")
    wanted = [one._replace(sure=False, loose=True) for one in entries_of(tmp_path)]
    (tmp_path / "link").unlink()
    (tmp_path / "link").symlink_to("another")
    found = compared(tmp_path, wanted)
    assert (found.kinds, found.unproved, found.why) == ({}, [2, 0], {"changed": 2})


def test_a_file_that_changed_is_not_proved_but_must_be_there(tmp_path: Path) -> None:
    for name in ("changed", "unhashed", "known"):
        (tmp_path / name).write_bytes(b"12345")
    changed, known, unhashed = entries_of(tmp_path)
    wanted = [changed._replace(sure=False), known, unhashed._replace(sha256=None)]
    keeping(tmp_path / "changed", lambda path: path.write_bytes(b"1"))
    found = compared(tmp_path, wanted)
    assert not found.kinds
    assert (found.restored, found.proved, found.unproved) == ([3, 15], [1, 5], [2, 10])
    assert found.why == {"changed": 1, "not hashed": 1}
    (tmp_path / "changed").chmod(0o600)
    assert kinds_of(compared(tmp_path, wanted)) == {"changed": {"mode"}}
    wanted[0] = wanted[0]._replace(loose=True)  # it may be another one altogether
    assert not compared(tmp_path, wanted).kinds
    (tmp_path / "changed").unlink()
    (tmp_path / "changed").mkdir()
    assert not compared(tmp_path, wanted).kinds
    (tmp_path / "changed").rmdir()
    assert kinds_of(compared(tmp_path, wanted)) == {"changed": {"missing"}}


def test_of_a_sample_only_the_files_are_left_out(copy: Path, wanted: list[Entry]) -> None:
    def some(item: Item) -> bool:
        return item.path != "large"

    (copy / "large").unlink()
    os.utime(copy / "link", ns=(TIME, TIME + 10**9), follow_symlinks=False)
    found = compared(copy, wanted, wanted=some)
    assert kinds_of(found) == {"link": {"time"}}
    assert found.restored == found.proved


LOST = {"link_owners", "link_times", "fine_times", "xattrs", "acls"}


@pytest.mark.parametrize(
    ("name", "excused"),
    {
        "owner of a symlink": True,
        "symlink's time": True,
        "nanosecond": True,
        "xattr dropped": True,
        "ACL dropped": True,
        "user": False,
        "group": False,
        "second": False,
        "folder's time": False,
        "xattr of a folder": False,
        "byte": False,
        "mode": False,
        "target": False,
        "capability more": False,
    }.items(),
)
def test_what_an_entry_has_lost_excuses_no_other(
    name: str, excused: bool, copy: Path, wanted: list[Entry]
) -> None:
    mutated(copy, CAUGHT[name][0])
    assert bool(compared(copy, wanted, lost=LOST).kinds) != excused


def test_flags_are_noted_and_no_file_for_the_control(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"x")
    (one,) = entries_of(tmp_path)
    with contextlib.closing(Tree(tmp_path)) as tree:
        found = Found()
        compared_ = Comparison(tree, found)
        compared_.run([one._replace(item=one.item._replace(flags=1))], lambda entry: None)
    assert compared_.candidates == []
    assert list(found.notes) == ["flags of chattr(1) are compared in the archive's listing only"]
