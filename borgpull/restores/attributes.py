"""Flags, ACLs and xattrs, as the target has them: borg ignores some that it could not set.

For borg, a file system without ACLs is no error, and neither is a failure to set flags (borg 1.4.5,
archive.py, restore_attrs). A file that an earlier run has restored may lack some, too. Only items
with such attributes are looked at. These are few, unless the archive is of a machine with SELinux.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from borgpull.client.survey import FROM_LINUX, Attributes
from borgpull.restores.base import Site
from borgpull.trees.item import Item


def lacking(site: Site, items: Iterable[Item]) -> Iterator[tuple[Item, set[str]]]:
    """The items whose flags, ACLs or xattrs are missing, or are not known, and these kinds.

    A kind that the way cannot carry is not looked for. Raises ConnectionLost.
    """
    looked = [item for item in items if any(_wanted(item, site))]
    if not looked:
        return
    answers = site.attributes([item.place for item in looked])
    for item, there in zip(looked, answers, strict=True):
        if kinds := _kinds(_wanted(item, site), there):
            yield item, kinds


def _kinds(wanted: tuple[int, int, set[str]], there: Attributes) -> set[str]:
    flags, acls, xattrs = wanted
    told = {"flags": there.flags, "acls": there.acls, "xattrs": there.xattrs}
    lost = {
        "flags": flags & ~(there.flags or 0),
        "acls": acls & ~(there.acls or 0),
        "xattrs": xattrs - (there.xattrs or set()),
    }
    return {f"{kind}_not_known" if told[kind] is None else kind for kind in lost if lost[kind]}


def _wanted(item: Item, site: Site) -> tuple[int, int, set[str]]:
    """The flags, ACLs and xattrs to look for."""
    return _flags(item, site), _acls(item, site), _xattrs(item, site)


def _flags(item: Item, site: Site) -> int:
    """A restore cannot set those that Linux does not have."""
    if "flags" in site.losses or item.kind not in "-d":
        return 0
    return (item.flags or 0) & sum(FROM_LINUX.values())


def _acls(item: Item, site: Site) -> int:
    return 0 if "acls" in site.losses or item.kind == "l" else item.acls or 0


def _xattrs(item: Item, site: Site) -> set[str]:
    return set() if "xattrs" in site.losses or not item.xattrs else set(item.xattrs.split(","))
