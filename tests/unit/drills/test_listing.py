"""An archive's listing beside its manifest: in any order, each entry meets its like."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from borgpull.drills.findings import Found
from borgpull.drills.listing import LAST_TIME, compare, stored
from borgpull.trees.item import Item
from borgpull.trees.manifest import Entry


def item(path: str, **fields: Any) -> Item:
    usual = {
        "mode": "-rw-r--r--",
        "size": 5,
        "mtime_ns": 1_600_000_000_123_456_789,
        "uid": 0,
        "gid": 0,
        "user": "root",
        "group": "root",
        "target": "",
        "links": "",
        "xattrs": 0,
        "acls": 0,
        "flags": 0,
    }
    return Item(path=path, **{**usual, **fields})


def entry(one: Item, *, sure: bool = True) -> Entry:
    return Entry(one, 0, 0, "0" * 64, {}, b"", b"", sure)


def kinds(items: list[Item], entries: list[Entry]) -> list[tuple[str, str]]:
    found = Found()
    assert compare(items, entries, found) == len(entries)
    return sorted((one["path"].removeprefix("/"), one["kind"]) for one in found.findings)


@pytest.mark.parametrize("there", list(itertools.permutations("abcd")))
def test_order_means_nothing(there: tuple[str, ...]) -> None:
    entries = [entry(item(path)) for path in "abcd"]
    assert kinds([item(path) for path in there], entries) == []


@pytest.mark.parametrize("there", sorted(set(itertools.permutations("xxyz"))))
@pytest.mark.parametrize("had", list(itertools.permutations("xyz")))
def test_a_path_that_is_twice_in_the_archive_is_found(
    there: tuple[str, ...], had: tuple[str, ...]
) -> None:
    """The second one overwrites the first when it is restored."""
    entries = [entry(item(path)) for path in had]
    assert kinds([item(path) for path in there], entries) == [("x", "extra")]


@pytest.mark.parametrize("had", sorted(set(itertools.permutations("xxyz"))))
@pytest.mark.parametrize("there", list(itertools.permutations("xyz")))
def test_a_path_that_is_twice_in_the_manifest_is_found(
    there: tuple[str, ...], had: tuple[str, ...]
) -> None:
    entries = [entry(item(path)) for path in had]
    assert kinds([item(path) for path in there], entries) == [("x", "missing")]


def test_what_is_on_one_side_only_is_found() -> None:
    entries = [entry(item(path)) for path in ("a", "b", "d")]
    assert kinds([item(path) for path in ("a", "c", "d")], entries) == [
        ("b", "missing"),
        ("c", "extra"),
    ]
    assert kinds([], entries) == [(path, "missing") for path in ("a", "b", "d")]
    assert kinds([item("a")], []) == [("a", "extra")]


@pytest.mark.parametrize(
    ("field", "value", "kind"),
    [
        ("mode", "drw-r--r--", "type"),
        ("mode", "-rwsr--r--", "mode"),
        ("size", 6, "size"),
        ("mtime_ns", 1_600_000_000_123_456_790, "time"),
        ("uid", 1, "owner"),
        ("gid", 1, "owner"),
        ("user", "other", "owner name"),
        ("group", None, "owner name"),
        ("target", "elsewhere", "target"),
        ("links", "other", "hard link"),
        ("xattrs", 1, "xattr"),
        ("acls", 2, "acl"),
        ("flags", 16, "flags"),
    ],
)
def test_each_field_is_compared(field: str, value: object, kind: str) -> None:
    assert kinds([item("a", **{field: value})], [entry(item("a"))]) == [("a", kind)]


@pytest.mark.parametrize("field", ["target", "links", "xattrs", "acls", "flags"])
def test_what_a_source_does_not_tell_is_not_compared(field: str) -> None:
    assert kinds([item("a", **{field: None})], [entry(item("a"))]) == []


def test_a_file_that_changed_may_have_another_size_and_time_only() -> None:
    was = entry(item("a"), sure=False)
    assert kinds([item("a", size=9, mtime_ns=1)], [was]) == []
    assert kinds([item("a", size=9, uid=1)], [was]) == [("a", "owner")]


def test_what_may_be_another_file_altogether_must_be_there_only() -> None:
    was = entry(item("a"), sure=False)._replace(loose=True)
    assert kinds([item("a", uid=1, mode="drwxr-xr-x", links="b")], [was]) == []
    assert kinds([], [was]) == [("a", "missing")]


def test_the_name_that_has_the_content_may_call_itself_first() -> None:
    assert kinds([item("a", links="a")], [entry(item("a"))]) == []


def test_a_symlink_has_no_mode() -> None:
    one = item("a", mode="lrwxrwxrwx", target="b")
    other = one._replace(mode="lrwxr-xr-x")
    assert kinds([one], [entry(other)]) == []


def test_times_are_as_borg_stores_them() -> None:
    assert stored(-1) == 0
    assert stored(LAST_TIME + 1) == LAST_TIME
    assert kinds([item("a", mtime_ns=0)], [entry(item("a", mtime_ns=-5))]) == []
