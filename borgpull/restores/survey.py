"""What is at the target, by its own stat, and how that differs from an archive."""

from __future__ import annotations

import contextlib
import stat
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import NamedTuple

from borgpull.borg.items import Item
from borgpull.errors import TargetNotUsable
from borgpull.restores.base import Site

# Before what is said of names.
MARK = b"borgpull-names \n"
# capabilities(7): the bits of what restoring needs.
CAP_CHOWN, CAP_MKNOD = 0, 27


class Found(NamedTuple):
    """What stat says of a name; times are in whole seconds, as not every stat has more."""

    mode: int
    size: int
    mtime: int
    uid: int
    gid: int
    inode: str
    user: str
    group: str
    target: str | None = None  # of a symlink, where it is known

    def same_content(self, other: Found | None) -> bool:
        """As far as stat can tell; inode numbers are not the same in two mounts by SFTP."""
        return other is not None and (self.size, self.mtime) == (other.size, other.mtime)


@dataclass(frozen=True)
class Ground:
    """The target folder, and who we are there."""

    state: str  # folder, missing, file
    empty: bool
    writable: bool
    free_bytes: int
    free_inodes: int | None  # None where the file system does not count them
    uid: int
    user: str
    capabilities: int
    inodes: bool = True  # are the inode numbers that stat sees the target's own?
    found: dict[str, Found] = field(default_factory=dict)  # by the item's place


def look(site: Site, items: Iterable[Item], word: str = "look") -> Ground:
    """The folder, and what is there of the items and of the folders that lead to them.

    Raises TargetNotUsable where no survey comes back, ConnectionLost.
    """
    places = list(dict.fromkeys(_with_folders(item.place for item in items)))
    data = b"".join(_bytes(place) + b"\0" for place in places)
    done = site.survey(word, _bytes(site.folder) + b"\n" + data)
    head, mark, tail = done.stdout.partition(MARK)
    facts = dict(
        line.removeprefix("borgpull-").partition(" ")[::2]
        for line in head.decode(errors="replace").splitlines()
        if line.startswith("borgpull-")  # others are of a profile
    )
    try:
        if not mark:
            raise ValueError("no answer")
        free, block, inodes, free_inodes = map(int, facts["free"].split())
        uid, _, user = facts["user"].partition(" ")
        capabilities = int(facts.get("capabilities") or ("0" if int(uid) else "f" * 16), 16)
        if site.login is not None:
            uid, user = str(site.login[0]), site.login[1]
            capabilities = 0 if site.login[0] else ~0
        there = facts["state"] == "folder"
        return Ground(
            state=facts["state"],
            empty="holds" not in facts,
            writable="writable" in facts,
            free_bytes=free * block,
            free_inodes=free_inodes if inodes else None,
            uid=int(uid),
            user=user,
            capabilities=capabilities,
            inodes=site.login is None,
            found=dict(_found(places, _lines(tail))) if there else {},
        )
    except (KeyError, ValueError) as error:
        last = (done.stderr.strip().splitlines() or [str(error)])[-1]
        raise TargetNotUsable(f"cannot use {site.name}: {last[:200]}") from None


def _lines(answer: bytes) -> list[str]:
    return answer.decode().splitlines()


# Names of a user and a group, by their numbers.
Names = Mapping[tuple[int, int], tuple[str, str]]


def owners(site: Site, items: Iterable[Item], ground: Ground) -> Names:
    """The names of owners who have other numbers than in the archive, asked for once each.

    Raises ConnectionLost.
    """
    names: dict[tuple[int, int], tuple[str, str]] = {}
    once: dict[tuple[int, int], str] = {}
    for item in items:
        found = ground.found.get(item.place)
        if found is None or (found.uid == item.uid and found.gid == item.gid):
            continue
        if found.user:
            names[found.uid, found.gid] = (found.user, found.group)
        else:
            once[found.uid, found.gid] = item.place
    if once:
        data = b"".join(_bytes(place) + b"\0" for place in once.values())
        done = site.survey("owners", _bytes(site.folder) + b"\n" + data)
        with contextlib.suppress(ValueError):  # then nobody's name is known
            answer = list(_found(list(once.values()), _lines(done.stdout.partition(MARK)[2])))
            names |= {(item.uid, item.gid): (item.user, item.group) for _, item in answer}
    return names


def remove(site: Site, items: Iterable[Item]) -> None:
    """Remove files of the target."""
    names = b"".join(_bytes(item.place) + b"\0" for item in items)
    site.survey("remove", _bytes(site.folder) + b"\n" + names)


def _with_folders(places: Iterable[str]) -> Iterator[str]:
    """Each place after the folders that lead to it, unless those have come already."""
    known: set[str] = set()
    for place in places:
        if (folder := place.rpartition("/")[0]) not in known:
            known.add(folder)
            end = place.find("/")
            while end >= 0:
                yield place[:end]
                end = place.find("/", end + 1)
        yield place


def _bytes(text: str) -> bytes:
    return text.encode(errors="surrogateescape")


def _found(places: Sequence[str], lines: Sequence[str]) -> Iterator[tuple[str, Found]]:
    """Raises ValueError where the answer is not one to what was asked."""
    rest, names = iter(lines), iter(places)
    count = 0
    for head in rest:
        flags = head
        if head.startswith("="):  # all of a batch, or as far as it went
            batch = list(islice(names, int(head[1:])))
            count += len(batch)
            said = list(islice(iter(lambda: next(rest, "!"), "!"), len(batch)))
            if len(said) == len(batch):
                yield from zip(batch, map(_stat, said), strict=True)
                continue
            flags = next(rest, "")
        else:
            batch = [next(names, "") for _ in head]
            count += len(batch)
        for name, flag in zip(batch, flags, strict=True):
            if flag == "1":
                yield name, _stat(next(rest, ""))
    if count != len(places):
        raise ValueError("the answer is cut short")


def _stat(line: str) -> Found:
    """One line of stat; names of users may hold blanks, but no slash. Raises ValueError.

    What a symlink points at may stand after another slash, in hexadecimal.
    """
    mode, size, mtime, uid, gid, inode, owner = line.split(" ", 6)
    user, _, rest = owner.partition("/")
    group, known, target = rest.partition("/")
    link = bytes.fromhex(target).decode(errors="surrogateescape") if known else None
    return Found(int(mode, 16), int(size), int(mtime), int(uid), int(gid), inode, user, group, link)


def barred(items: Iterable[Item], ground: Ground) -> list[str]:
    """Where folders should be on the way to the items, and something else is: a symlink, say."""
    own = {item.place for item in items}
    ways = {place for place in _with_folders(own) if place not in own}
    found = ground.found
    return sorted(way for way in ways if way in found and not is_folder(found[way]))


def incapable(items: Iterable[Item], ground: Ground, *, numeric: bool) -> dict[str, int]:
    """What the kernel at the target does not let this user restore: numbers by kind."""
    counts = {"owners": 0, "devices": 0}
    for item in items:
        counts["owners"] += not ground.capabilities >> CAP_CHOWN & 1 and not owned(
            item, ground, numeric=numeric
        )
        counts["devices"] += not ground.capabilities >> CAP_MKNOD & 1 and item.kind in "bc"
    return {kind: number for kind, number in counts.items() if number}


def owned(item: Item, ground: Ground, *, numeric: bool) -> bool:
    """Is its owner the user who writes there? Then nobody has to set it."""
    return item.uid == ground.uid or (not numeric and item.user == ground.user)


def is_folder(found: Found) -> bool:
    return stat.S_ISDIR(found.mode)
