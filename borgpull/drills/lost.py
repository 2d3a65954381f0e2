"""Which differences come of what a way of restoring cannot carry."""

from __future__ import annotations

from collections.abc import Collection

from borgpull.drills.findings import Difference
from borgpull.outputs.drills import Kind
from borgpull.trees.item import SECOND, Item
from borgpull.trees.losses import KINDS

# The kinds of differences that a loss makes.
_MAKES: dict[str, tuple[Kind, ...]] = {
    "xattrs": ("xattr", "capability"),
    "acls": ("acl",),
    "flags": ("flags",),
    "link_owners": ("owner",),
    "epoch_times": ("time",),
    "far_times": ("time",),
    "link_times": ("time",),
    "folder_times": ("time",),
    "fine_times": ("time",),
    "rounded_times": ("time",),
}
_FRACTIONS = {"fine_times", "rounded_times"}  # of a second, and no more


def explained(lost: Collection[str], item: Item, difference: Difference) -> bool:
    """Does one of these losses explain a difference of this very item?

    What one item has lost excuses no other: else a symlink would hide the owners of all files.
    """
    kind, expected, found = difference
    for loss in lost:
        if kind not in _MAKES.get(loss, ()) or not KINDS[loss](item):
            continue
        if loss not in _FRACTIONS:
            return True
        assert isinstance(expected, int) and isinstance(found, int)
        if abs(expected - found) < SECOND:
            return True
    return False
