"""An archive's items beside the listing of its client: what is sure, and what is missing."""

from __future__ import annotations

import stat
from types import SimpleNamespace
from typing import Any

import pytest

from borgpull.borg.inside.earlier import Earlier
from borgpull.borg.inside.listing import Listing
from borgpull.borg.inside.manifest import FURTHER, HAS_SUM, LEADS
from borgpull.borg.inside.manifest import UNSURE as NOT_SURE
from borgpull.borg.inside.matching import Matching
from borgpull.borg.inside.seen import CAME, RECENT, Seen

FILE = stat.S_IFREG | 0o644
OLD = 10**18
SUM = b"s" * 32


class Item(dict[str, Any]):
    """As borg has it."""

    def __getattr__(self, name: str) -> Any:
        return self[name]

    def get_size(self) -> int:
        return int(self.get("size", 0))


def item(path: str, **more: Any) -> Item:
    plain = {"path": path, "mode": FILE, "uid": 1, "gid": 2, "user": "a", "group": None}
    return Item({**plain, "mtime": OLD, "ctime": OLD + 1, "size": 5, **more})


def listing(*, ctimes: bool = True, ns: bool = True, **flags: int) -> Any:
    """Four files, `a` to `d`; flags by their names."""
    made: Any = SimpleNamespace(seen=Seen(), groups={}, sample=SimpleNamespace(sums={}))
    made.earlier = Earlier(None, 0)
    made.ctimes, made._ns, made.stored = ctimes, ns, lambda time: time
    made.facts = lambda *args: Listing.facts(made, *args)
    for number, path in enumerate("abcd"):
        facts = made.facts(FILE, 1, 2, 5, OLD, b"")
        made.seen.add(number, path, facts, OLD + 1, flags.get(path, 0))
    return made


def record(of: Any, *items: Item, changed: tuple[str, ...] = (), left: tuple[int, ...] = ()) -> Any:
    matching = Matching(of, list(changed))
    for one in items:
        matching.item(one)
    return matching, {number: flags for number, flags, _, _ in matching.records({*left})}


@pytest.mark.parametrize(
    ("more", "ctimes", "flags", "differs"),
    [
        ({}, True, 0, 0),
        ({"ctime": OLD + 2}, True, NOT_SURE, 0),  # something has changed
        ({"size": 6}, True, 0, 1),  # nothing has changed: the archive is wrong
        ({"uid": 9}, True, 0, 1),
        ({"size": 6}, False, NOT_SURE, 0),
        ({}, False, 0, 0),
        ({"mtime": OLD + 1}, False, NOT_SURE, 0),
    ],
)
def test_what_agrees_is_sure(more: dict[str, Any], ctimes: bool, flags: int, differs: int) -> None:
    matching, found = record(listing(ctimes=ctimes), item("b", **more))
    assert (found, matching.differs) == ({1: flags}, differs)


def test_whole_seconds_are_enough_for_what_is_old() -> None:
    of = listing(ctimes=False, ns=False, b=RECENT)
    _, found = record(of, item("a", mtime=OLD + 7), item("b"))
    assert found == {0: 0, 1: NOT_SURE}


def test_what_borg_saw_change_is_not_sure() -> None:
    _, found = record(listing(), item("a"), item("b"), changed=("b",))
    assert found == {0: 0, 1: NOT_SURE}


def test_what_the_archive_lacks_is_missing_unless_it_came() -> None:
    of = listing(c=CAME)
    matching, found = record(of, item("a"), item("stranger"))
    assert matching.missing() == [1, 3]
    assert found == {0: 0}
    assert [row[0] for row in matching.outside] == [b"stranger".hex()]
    _, found = record(of, item("a"), left=(3,))
    assert found == {0: 0, 3: 0}
    assert record(listing(ctimes=False), item("a"))[0].missing() == []


def test_hard_links_are_those_of_the_listing() -> None:
    of = listing()
    of.groups = {(1, 7): [(0, "a"), (1, "b"), (3, "d")]}
    of.sample.sums = {0: SUM, 1: SUM, 2: SUM}
    matching = Matching(of, [])
    for one in (item("b", hardlink_master=True), item("c"), item("d", source="b", size=0)):
        matching.item(one)
    found = {number: (flags, sum_, more) for number, flags, sum_, more in matching.records(set())}
    assert found == {
        1: (LEADS | HAS_SUM, SUM, b""),
        2: (HAS_SUM, SUM, b""),
        3: (FURTHER, b"", b"\1\0\0\0b"),
    }


def test_what_was_read_now_counts_before_what_was_known() -> None:
    of = listing()
    known = {0: b"0" * 32, 1: b"1" * 32, 2: b"2" * 32}
    of.earlier = SimpleNamespace(of=lambda number: known.get(number, b""))
    of.sample.sums = {1: SUM}
    matching = Matching(of, ["c"])
    for path in "abcd":
        matching.item(item(path))
    found = {number: sum_ for number, _, sum_, _ in matching.records(set())}
    assert found == {0: b"0" * 32, 1: SUM, 2: b"", 3: b""}  # borg saw the third one change
    assert matching.carried == 1
    of.sample = None  # a reader that hashes nothing
    assert [sum_ for _, _, sum_, _ in matching.records(set())][:2] == [b"0" * 32, b"1" * 32]


def test_names_of_one_file_are_sure_together() -> None:
    """A name that is not sure may have been another file, and the others its only names."""
    of = listing()
    of.groups = {(1, 7): [(0, "a"), (1, "b")]}
    _, found = record(of, item("a", ctime=OLD + 5), item("b", hardlink_master=True), item("c"))
    assert found == {0: LEADS | NOT_SURE, 1: FURTHER | NOT_SURE, 2: 0}
    of = listing()
    of.groups = {(1, 7): [(1, "b")]}  # the name before it was another file when it was listed
    _, found = record(of, item("a", ctime=OLD + 5), item("b", source="a"), item("c"))
    assert found == {0: NOT_SURE, 1: LEADS | NOT_SURE, 2: 0}
