"""Flags and ACLs, read back after a restore: borg ignores those that it could not set.

For borg, a file system without ACLs is no error, and neither is a failure to set flags (borg 1.4.5,
archive.py, restore_attrs). Only items with flags or ACLs are looked at, and these are few.
"""

from __future__ import annotations

from collections.abc import Iterable

from borgpull.client.survey import FROM_LINUX
from borgpull.restores.base import Site
from borgpull.trees.differences import Differences
from borgpull.trees.item import Item


def compare(site: Site, items: Iterable[Item], found: Differences) -> None:
    """Add to `found` the items' flags and ACLs that are missing, or that are not known.

    A kind that the way cannot carry is not looked for. Raises ConnectionLost.
    """
    looked = [item for item in items if _flags(item, site) or _acls(item, site)]
    if not looked:
        return
    answers = site.attributes([item.place for item in looked])
    for item, (flags, acls) in zip(looked, answers, strict=True):
        kinds = set()
        for kind, wanted, there in (
            ("flags", _flags(item, site), flags),
            ("acls", _acls(item, site), acls),
        ):
            if wanted and there is None:
                kinds.add(f"{kind}_not_known")
            elif wanted & ~(there or 0):
                kinds.add(kind)
        if kinds:
            found.add(item, kinds)


def _flags(item: Item, site: Site) -> int:
    """The flags to look for: a restore cannot set those that Linux does not have."""
    if "flags" in site.losses or item.kind not in "-d":
        return 0
    return (item.flags or 0) & sum(FROM_LINUX.values())


def _acls(item: Item, site: Site) -> int:
    return 0 if "acls" in site.losses or item.kind == "l" else item.acls or 0
