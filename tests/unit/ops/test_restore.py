"""What restores and searches are made of: patterns, targets, surveys."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from borgpull.addresses import Target, restore_target
from borgpull.client.survey import AttributesByScript, ByScript
from borgpull.errors import InvalidHost, NotRestored, TargetFull, TargetNotUsable, UsageError
from borgpull.jobs import Restore
from borgpull.ops.search import matcher
from borgpull.paths import archive_path
from borgpull.process import Completed
from borgpull.restores import attributes, survey
from borgpull.restores.base import Site
from borgpull.restores.comparison import Comparison
from borgpull.restores.plan import plan
from borgpull.restores.survey import look
from borgpull.restores.tally import right
from borgpull.trees import losses
from borgpull.trees.differences import Differences
from borgpull.trees.item import Item, Items
from borgpull.trees.survey import Ground
from tests.support.surveys import HEAD, SAME


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
        ("srv/a[1]?", "srv/a[1]?", True),
        ("/srv/a[1]/", "srv/a[1]", True),
        ("a[1]", "srv/a[1]", False),
        ("two*", "two\nlines", True),
    ],
)
def test_patterns_are_a_shells(pattern: str, path: str, matches: bool) -> None:
    assert matcher(pattern)(path) is matches


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("srv/data/a", "/srv/data/a"),
        ("/srv/data/a/", "/srv/data/a"),
        (".", "/"),
        ("./-x", "/-x"),
        ("srv/caf\udce9", "/srv/caf\udce9"),
    ],
)
def test_what_a_listing_prints_is_taken(text: str, path: str) -> None:
    assert archive_path(text) == path


@pytest.mark.parametrize("text", ["", "../a", "srv/../a", "a\0b"])
def test_what_is_no_path_of_an_archive(text: str) -> None:
    """Nothing least of all: it would be everything."""
    with pytest.raises(UsageError):
        archive_path(text)


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
        survey=ByScript(name="web2:/x", folder="/x", run=lambda word, data: done),
        extract=None,  # type: ignore[arg-type]
    )


def compared(there: Site, items: list[Item], ground: Ground) -> dict[str, int]:
    comparison = Comparison(there, numeric=False)
    for one in items:  # each in a batch of its own
        comparison.add([one], ground)
    return dict(comparison.end(items).kinds)


def test_what_is_right_is_left_alone() -> None:
    items = [item("a"), item("b"), item("c"), item("d", mode="drwxr-xr-x"), item(" odd"), item("e")]
    lines = [SAME.format(1), "81a4 4 100 0 0 1:2 root/root\n", "81a4 5 99 0 0 1:3 root/root\n"]
    folder = "41ed 5 100 0 0 1:4 root/root\n"
    there = site(HEAD + "111110\n" + "".join(lines) + folder + SAME.format(5))
    ground = look(there, items)
    assert (ground.free_bytes, ground.free_inodes, ground.empty) == (409600, 20, True)
    # The odd name is right, but a file of patterns cannot hold it.
    assert [one.path for one in items if right(one, ground.found.get(one.place))] == ["a"]
    assert compared(there, items, ground) == {"sizes": 1, "times": 1, "missing": 1}


def test_hard_links_are_right_together_or_not_at_all() -> None:
    items = [item("a", "a"), item("b", "a"), item("c", "c"), item("d", "c"), item("e", "e")]
    lines = [SAME.format(number) for number in (1, 1, 2, 3, 4)]
    there = site(HEAD + "11111\n" + "".join(lines))
    assert compared(there, items, look(there, items)) == {"hard_links": 2}
    made = plan(CHANGED, Held(dict(zip("abcde", lines, strict=True))).site(), "x", packed(items))
    assert (made.skipped, made.patterns) == (3, b"- pf:a\n- pf:b\n- pf:e\n")
    assert [one.path for one in made.going] == ["c", "d"]


CHANGED = Restore(archive="x", how="local", overwrite="changed", into="/x")


def packed(items: list[Item]) -> Items:
    made = Items()
    for one in items:
        made.add(one)
        if one.links:
            made.linked.add(hash(one.links))
    return made


class Held:
    """A target that holds these things, by their lines of stat."""

    def __init__(self, things: dict[str, str], disk: str = "", free: int = 100) -> None:
        self.things, self.asked = things, 0
        holds = "borgpull-holds something\n" if things else ""
        head = HEAD.replace("free 100", f"free {free}").replace(
            "borgpull-names", "{}borgpull-names"
        )
        self.head = head.format(f"{holds}borgpull-disk {disk}\n")

    def site(self, **more: Any) -> Site:
        survey = ByScript(name="web2:/x", folder="/x", run=self.survey)
        return replace(site(""), survey=survey, **more)

    def survey(self, _word: str, data: bytes) -> Completed:
        names = data.decode().partition("\n")[2].split("\0")[:-1]
        self.asked = max(self.asked, len(names))
        flags = "".join(str(int(name in self.things)) for name in names)
        lines = "".join(self.things[name] for name in names if name in self.things)
        return Completed(0, (self.head + f"{flags}\n{lines}" * bool(names)).encode(), "")


def test_a_plan_in_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is decided of an item does not depend on what is asked with it."""
    monkeypatch.setattr(survey, "BATCH", 2)
    items = [
        item("d", mode="drwxr-xr-x"),
        item("d/a", "d/a"),
        item("d/b", "d/a"),
        item("d/c"),
        item("s/x", mode="drwxr-xr-x"),
        item("s/x/y"),
    ]
    folder, link = "41ed 0 100 0 0 1:9 root/root\n", "a1ff 0 100 0 0 1:8 root/root\n"
    things = {"d": folder, "d/a": SAME.format(1), "d/b": SAME.format(2), "d/c": SAME.format(3)}
    held = Held({**things, "s/x": link})
    made = plan(CHANGED, held.site(), "x", packed(items))
    assert held.asked == 3  # two, and the folder above them
    # The links are none of each other there.
    assert [one.path for one in made.going] == ["d", "d/a", "d/b", "s/x", "s/x/y"]
    assert [one.path for one in made.obstacles] == ["s/x"]
    assert made.overwritten_paths == ["/d/a", "/d/b", "/s/x"]
    before = look(held.site(), [items[1]]).found["d/a"]
    assert made.before.same(1, before) and not made.before.same(1, before._replace(mtime_ns=10**9))
    assert not made.before.same(4, before)
    with pytest.raises(TargetNotUsable, match="s in /x is no folder"):
        plan(CHANGED, Held({**things, "s": link}).site(), "x", packed(items[4:] + items[:2]))


@pytest.mark.parametrize(
    ("holes", "disk", "job", "fits"),
    [
        (True, "ext2/ext3", CHANGED, True),
        (False, "ext2/ext3", CHANGED, False),
        (True, "msdos", CHANGED, False),
        (False, "", replace(CHANGED, room_check=False), True),
    ],
)
def test_holes_need_no_room_where_they_are_left_out(
    holes: bool, disk: str, job: Restore, fits: bool
) -> None:
    image = item("image", size=3 << 30)._replace(holes=(3 << 30) - 4096)
    there = Held({}, disk=disk).site(holes=holes)
    if fits:
        plan(job, there, "x", packed([image]))
        return
    with pytest.raises(TargetFull, match="409600 bytes free, 3221225472 are needed") as caught:
        plan(job, there, "x", packed([image]))
    assert "--no-room-check" in caught.value.hint


def test_a_hole_that_is_there_is_no_room() -> None:
    image = item("image", size=3 << 30)._replace(holes=(3 << 30) - 4096)
    held = Held({"image": f"81a4 {3 << 30} 1 0 0 1:1 root/root\n"})
    made = plan(CHANGED, held.site(holes=True), "x", packed([image]))
    assert made.need_bytes == 0
    more = packed([image, item("more", size=500_000)])
    with pytest.raises(TargetFull):
        plan(CHANGED, held.site(holes=True), "x", more)


@pytest.mark.parametrize(
    ("lines", "bad"),
    [
        ([item("l", mode="lrwxrwxrwx"), item("l/x")], "/l/x"),
        ([item("a/b/c"), item("a/b")], "/a/b/c"),
        ([item("h", "../etc/passwd")], "/h"),
        ([item("h", "l/x"), item("l", mode="lrwxrwxrwx")], "/h"),
        ([item("a/../b")], "/a/../b"),
        ([item("."), item("l", mode="lrwxrwxrwx"), item("d", mode="drwxr-xr-x"), item("d/x")], ""),
    ],
)
def test_what_tar_would_write_through_a_symlink(lines: list[Item], bad: str) -> None:
    there = Held({}).site(follows=True)
    if not bad:
        plan(CHANGED, there, "x", packed(lines))
        return
    with pytest.raises(NotRestored, match=f"folder: {bad}; 1 such"):
        plan(CHANGED, there, "x", packed(lines))


FAR = {
    "1901": -(2**31) * 10**9,
    "1969": -1,
    "1970": 0,
    "2040": 2_200_000_000 * 10**9,
    "2106": (2**32 - 1) * 10**9,
    "2107": 2**32 * 10**9,
}


def test_times_that_a_way_cannot_carry() -> None:
    """By SFTP, 1901 would become 2038, and 2107 would be 1970."""
    items = [item(year)._replace(mtime_ns=time) for year, time in FAR.items()]
    items.append(item("folder", mode="drwxr-xr-x")._replace(mtime_ns=FAR["1901"]))
    items.append(item("link", mode="lrwxrwxrwx")._replace(mtime_ns=FAR["1901"]))
    there = Held({}).site(losses=losses.BY_SFTP)
    made = plan(CHANGED, there, "x", packed(items))
    assert {"far_times": 4, "epoch_times": 1}.items() <= made.lost.items()
    by_tar = plan(CHANGED, Held({}).site(losses=losses.BY_TAR), "x", packed(items))
    assert set(by_tar.lost) == {"fine_times", "rounded_times"}  # of 1969


def test_the_time_of_a_folder_is_looked_at_where_it_may_be_lost() -> None:
    """A file system with 32 bits for it makes 2038 of what comes later."""
    far = item("d", mode="drwxr-xr-x")._replace(mtime_ns=FAR["2040"])
    near = item("e", mode="drwxr-xr-x")
    there = "41ed 0 2147483647 0 7 1:{} root/domain users\n"
    held = Held({"d": there.format(1), "e": there.format(2)}).site()
    assert compared(held, [far, near], look(held, [far, near])) == {"times": 1}
    by_sftp = replace(held, losses=losses.BY_SFTP)
    late = far._replace(mtime_ns=FAR["2107"])
    assert compared(by_sftp, [late, near], look(held, [late, near])) == {}


@pytest.mark.parametrize(
    ("answer", "kinds"),
    [
        ("16 0 0\n0 3 0,61,62", {}),
        ("524304 0 0\n0 3 0,7a,62,61", {}),
        ("64 0 0\n0 1 0,61", {"flags": 1, "acls": 1, "xattrs": 1}),
        ("? 0 0\n0 ? ?", {"flags_not_known": 1, "acls_not_known": 1, "xattrs_not_known": 1}),
        ("16 0 0", {"flags_not_known": 1, "acls_not_known": 1, "xattrs_not_known": 1}),
        ("", {"flags_not_known": 1, "acls_not_known": 1, "xattrs_not_known": 1}),
    ],
)
def test_attributes_are_read_back(answer: str, kinds: dict[str, int]) -> None:
    """What is there more of is the file system's own; what is not told is not there."""
    folder = item("c", mode="drwxr-xr-x")._replace(acls=3, xattrs="61,62")
    items = [item("a"), item("b")._replace(flags=2), folder]
    lines = "".join(f"borgpull-attributes {line}\n" for line in answer.splitlines())
    asked = []

    def told(data: bytes) -> Completed:
        asked.append(data)
        return Completed(0, f"a greeting\n{lines}".encode(), "")

    found = Differences()
    there = replace(site(""), attributes=AttributesByScript(folder="/x", run=told))
    for one, lost in attributes.lacking(there, items):
        found.add(one, lost)
    assert dict(found.kinds) == kinds
    assert asked == [b"/x\nb\0c\0"]
    # What the way cannot carry was counted before.
    losing = replace(there, losses=frozenset({"flags", "acls", "xattrs"}))
    assert list(attributes.lacking(losing, items)) == []
    assert len(asked) == 1


def test_what_an_earlier_run_could_not_write_of_a_file_is_restored_again() -> None:
    """Its content and its time are right, but an xattr is missing."""
    names = ("whole", "spoilt", "plain", "first", "second")
    things = {name: SAME.format(at) for at, name in enumerate(names)}
    things["second"] = things["first"]
    lines = {"whole": "0 0 0,61", "spoilt": "0 0 0", "first": "0 0 0,61", "second": "0 1 0"}

    def told(data: bytes) -> Completed:
        asked = data.decode().partition("\n")[2].split("\0")[:-1]
        return Completed(
            0, "".join(f"borgpull-attributes {lines[one]}\n" for one in asked).encode(), ""
        )

    held = Held(things).site(attributes=AttributesByScript(folder="/x", run=told))
    items = [item(name)._replace(xattrs="61") for name in ("whole", "spoilt")]
    links = [item(name, "first")._replace(xattrs="61") for name in ("first", "second")]
    made = plan(CHANGED, held, "x", packed([*items, item("plain"), *links]))
    # Hard links are right together, or not at all.
    assert [one.path for one in made.going] == ["spoilt", "first", "second"]
    assert made.skipped == 2


def test_a_number_that_is_another_user_s_by_chance_is_no_owner_for_a_plain_user() -> None:
    """The archive's alice has the number of carol, who writes there and cannot give a file away."""
    there = "81a4 5 100 1000 7 1:{} carol/crew\n"
    users: dict[str, str | int] = {"a": "alice", "b": "carol", "c": 1000}
    items = [item(name)._replace(uid=1000, user=user) for name, user in users.items()]
    for user, going in (("0 root", []), ("1000 carol", ["a"])):
        held = Held({one.path: there.format(at) for at, one in enumerate(items)})
        held.head = held.head.replace("user 0 root", f"user {user}")
        if user != "0 root":
            held.head = held.head.replace("00000000a80425fb", "0000000000000000")
        assert [one.path for one in plan(CHANGED, held.site(), "x", packed(items)).going] == going
        by_number = replace(CHANGED, numeric_ids=True)
        assert len(plan(by_number, held.site(), "x", packed(items)).going) == 0
