"""What restores and searches are made of: patterns, targets, surveys."""

from __future__ import annotations

import re
import sys

import pytest

from borgpull.borg import readonly
from borgpull.borg.items import Item
from borgpull.errors import InvalidHost, TargetNotUsable, UsageError
from borgpull.model import Target, restore_target
from borgpull.ops.search import translate
from borgpull.process import Completed
from borgpull.restores.base import Site
from borgpull.restores.differences import compare, right
from borgpull.restores.survey import look, owners


@pytest.mark.parametrize(
    ("pattern", "path", "matches"),
    [
        ("hosts", "etc/hosts", True),
        ("hosts", "hosts", True),
        ("hosts", "etc/hosts.allow", False),
        ("*.conf", "etc/a/b.conf", True),
        ("/etc/*.conf", "etc/a/b.conf", False),
        ("/etc/*.conf", "etc/b.conf", True),
        ("/hosts", "etc/hosts", False),
        ("etc/**/b.conf", "etc/b.conf", True),
        ("etc/**/b.conf", "etc/x/y/b.conf", True),
        ("etc/**", "etc/x/y", True),
        ("file-[0-9]?", "file-1x", True),
        ("file-[!0-9]", "file-1", False),
        ("file-[!0-9]", "file-a", True),
        ("a+b(c", "x/a+b(c", True),
        ("[", "[", True),
        ("two*", "two\nlines", True),
    ],
)
def test_patterns_are_a_shells(pattern: str, path: str, matches: bool) -> None:
    assert (re.fullmatch(translate(pattern), path) is not None) is matches


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("/restore/", (None, "/restore")),
        ("web2", (Target(host="web2"), "/")),
        ("alice@web2:2222:/srv/x", (Target(host="web2", user="alice", port=2222), "/srv/x")),
        ("[::1]:22:/x", (Target(host="::1"), "/x")),
        ("web2:/", (Target(host="web2"), "/")),
    ],
)
def test_where_a_restore_goes(text: str, expected: tuple[Target | None, str]) -> None:
    assert restore_target(text) == expected


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("-x:/a", InvalidHost),
        ("web2:a", InvalidHost),
        ("/a/../b", UsageError),
        ("/a\nb", UsageError),
    ],
)
def test_where_no_restore_goes(text: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        restore_target(text)


def item(path: str, links: str = "", mode: str = "-rw-r--r--", size: int = 5) -> Item:
    ids = {"uid": 0, "gid": 0, "user": "root", "group": "domain users"}
    more = {"size": size, "mtime_ns": 100_500_000_000, "links": links}
    return Item(path=path, place=path, mode=mode, **ids, **more)  # type: ignore[arg-type]


def site(answer: str) -> Site:
    """A target that gives this answer, whatever is asked."""
    done = Completed(0, answer.encode(), "")
    return Site(
        name="web2:/x",
        folder="/x",
        alive=lambda: True,
        survey=lambda word, data: done,
        extract=None,  # type: ignore[arg-type]
    )


HEAD = (
    "a greeting\nborgpull-user 0 root\nborgpull-capabilities 00000000a80425fb\n"
    "borgpull-state folder\nborgpull-writable yes\nborgpull-free 100 4096 50 20\nborgpull-names \n"
)
SAME = "81a4 5 100 0 7 1:{} root/domain users\n"


def test_what_is_right_is_left_alone() -> None:
    items = [item("a"), item("b"), item("c"), item("d", mode="drwxr-xr-x"), item(" odd"), item("e")]
    lines = [SAME.format(1), "81a4 4 100 0 0 1:2 root/root\n", "81a4 5 99 0 0 1:3 root/root\n"]
    folder = "41ed 5 100 0 0 1:4 root/root\n"
    there = site(HEAD + "111110\n" + "".join(lines) + folder + SAME.format(5))
    ground = look(there, items)
    assert (ground.free_bytes, ground.free_inodes, ground.empty) == (409600, 20, True)
    # The odd name is right, but a file of patterns cannot hold it.
    assert right(items, ground) == {"a"}
    kinds = compare(items, ground, names=owners(there, items, ground)).kinds
    assert dict(kinds) == {"sizes": 1, "times": 1, "missing": 1}


@pytest.mark.parametrize(
    "answer",
    [
        "=3\n" + SAME.format(1) + SAME.format(2) + SAME.format(3) + "=1\n" + SAME.format(4),
        # One was not there when stat came, so that each was looked at.
        "=3\n"
        + SAME.format(1)
        + "!\n111\n"
        + "".join(map(SAME.format, (1, 2, 3)))
        + "=1\n!\n1\n"
        + SAME.format(4),
    ],
)
def test_all_of_a_batch_at_once(answer: str) -> None:
    items = [item(name) for name in "abcd"]
    found = look(site(HEAD + answer), items, "verify").found
    assert [found[name].inode for name in "abcd"] == ["1:1", "1:2", "1:3", "1:4"]


def test_one_of_a_batch_is_missing() -> None:
    answer = "=2\n" + SAME.format(1) + "!\n10\n" + SAME.format(1)
    found = look(site(HEAD + answer), [item("a"), item("b")], "verify").found
    assert list(found) == ["a"]


def test_hard_links_are_right_together_or_not_at_all() -> None:
    items = [item("a", "a"), item("b", "a"), item("c", "c"), item("d", "c"), item("e", "e")]
    lines = [SAME.format(number) for number in (1, 1, 2, 3, 4)]
    ground = look(site(HEAD + "11111\n" + "".join(lines)), items)
    assert right(items, ground) == {"a", "b", "e"}
    assert dict(compare(items, ground).kinds) == {"hard_links": 2, "owners": 5}


@pytest.mark.parametrize(
    "answer",
    [
        "",
        "sh: 1: no\n",
        HEAD + "1\n",
        HEAD + "1\n81a4 5\n",
        HEAD,
        HEAD + "=1\n",
        HEAD + "=1\n!\n",
        HEAD + "=x\n",
    ],
)
def test_an_answer_that_is_none(answer: str) -> None:
    with pytest.raises(TargetNotUsable):
        look(site(answer), [item("a")])


@pytest.mark.parametrize(
    ("event", "args"),
    [
        ("open", ("/repo/x", "w", 0o1101)),
        ("open", ("/repo/x", None, 2)),
        ("os.remove", ("/repo/x", -1)),
        ("os.rename", ("/repo/x", "/repo/y", -1, -1)),
        ("subprocess.Popen", ("sh", [], None, None)),
    ],
)
def test_the_hook_refuses_writing(event: str, args: tuple[object, ...]) -> None:
    with pytest.raises(OSError, match="Read-only file system"):
        readonly.refuse_writing(event, args)


def test_the_hook_lets_reading_pass() -> None:
    readonly.refuse_writing("open", ("/repo/x", "rb", 0o2000000))
    readonly.refuse_writing("open", (sys.executable, "r", None))
