"""A loss explains a difference of the entry that has it, and of no other."""

from __future__ import annotations

import pytest

from borgpull.drills.findings import Difference
from borgpull.drills.lost import _MAKES, explained
from borgpull.outputs.drills import Kind
from borgpull.trees.item import SECOND, Item
from borgpull.trees.losses import BY_SFTP, BY_TAR, KINDS, WHOLE, of

FILE = Item("a", "-rw-r--r--", 1, 5 * SECOND, 0, 0, xattrs="", acls=0, flags=0)
LINK = FILE._replace(mode="lrwxrwxrwx")
TIME: Difference = ("time", 5 * SECOND, 9 * SECOND)


def test_each_loss_of_an_attribute_has_its_differences() -> None:
    assert _MAKES.keys() == KINDS.keys() - WHOLE.keys()


@pytest.mark.parametrize(
    ("loss", "item", "difference", "wanted"),
    [
        ("link_owners", LINK, ("owner", "0:0", "1:1"), True),
        ("link_owners", FILE, ("owner", "0:0", "1:1"), False),
        ("link_owners", LINK, ("target", "a", "b"), False),
        ("link_times", LINK, TIME, True),
        ("link_times", FILE, TIME, False),
        ("xattrs", FILE._replace(xattrs="61"), ("xattr", "a", "nothing"), True),
        ("xattrs", FILE, ("xattr", "nothing", "a"), False),
        ("acls", FILE, ("acl", b"", b"x"), False),
        ("fine_times", FILE, TIME, False),
        ("fine_times", FILE._replace(mtime_ns=5 * SECOND + 1), TIME, False),
        (
            "fine_times",
            FILE._replace(mtime_ns=5 * SECOND + 1),
            ("time", 5 * SECOND + 1, 5 * SECOND),
            True,
        ),
        (  # a tar has no fraction of a symlink's time either
            "fine_times",
            LINK._replace(mtime_ns=5 * SECOND + 1),
            ("time", 5 * SECOND + 1, 5 * SECOND),
            True,
        ),
        ("far_times", FILE, TIME, False),
        ("devices", FILE._replace(mode="crw-r--r--"), ("missing", "c", "nothing"), False),
    ],
)
def test_explained(loss: str, item: Item, difference: Difference, wanted: bool) -> None:
    assert explained({loss}, item, difference) is wanted
    assert not explained(set(), item, difference)


@pytest.mark.parametrize("kind", ["content", "size", "mode", "type", "missing", "hard link"])
def test_no_loss_explains_these(kind: Kind) -> None:
    item = LINK._replace(xattrs="61", acls=3, flags=1, mtime_ns=1)
    assert not explained(KINDS.keys(), item, (kind, 1, 2))


@pytest.mark.parametrize(
    ("kinds", "wanted"), [(BY_TAR, {"fine_times"}), (BY_SFTP, {"link_owners", "link_times"})]
)
def test_a_symlinks_time_is_lost_once(kinds: frozenset[str], wanted: set[str]) -> None:
    """By tar its fraction is, and by SFTP all of it."""
    item = LINK._replace(mtime_ns=5 * SECOND + 1)
    assert set(of(item, kinds, lambda _: False)) == wanted
