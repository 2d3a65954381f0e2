"""The survey of a target: questions to survey.sh and attributes.py of `scripts`, and answers."""

from __future__ import annotations

import functools
import stat
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import NamedTuple

from borgpull.errors import TargetNotUsable
from borgpull.process import Completed
from borgpull.trees.item import SECOND, Item
from borgpull.trees.survey import Ground


class Attributes(NamedTuple):
    """An entry's flags and ACLs, as in an Item, and the names of its xattrs: None if not known."""

    flags: int | None = None
    acls: int | None = None
    xattrs: frozenset[str] | None = None


# Runs the script with its one word, and with its input.
Run = Callable[[str, bytes], Completed]
# The line before the answers on names.
MARK = b"borgpull-names \n"
# The file systems, by their names in stat(1), that write zeros where others leave a hole.
WITHOUT_HOLES = {"msdos", "exfat", "hfs", "hfs+"}
# Flags as Linux counts them, and as borg stores them (linux/fs.h; borg 1.4.5, platform/linux.pyx).
FROM_LINUX = {
    0x40: stat.UF_NODUMP,
    0x10: stat.UF_IMMUTABLE,
    0x20: stat.UF_APPEND,
    0x04: stat.UF_COMPRESSED,
}


@dataclass(frozen=True, kw_only=True)
class ByScript:
    """Survey a folder by the script."""

    name: str  # of the target, for messages
    folder: str
    run: Run
    # Number and name of the user who writes there, if the script looks over SFTP. It then sees
    # neither that user nor inode numbers.
    login: tuple[int, str] | None = None

    def __call__(self, word: str, places: Sequence[str]) -> Ground:
        """`word` is one of the script's. Raises TargetNotUsable for an unreadable answer; and as
        `run`."""
        done = self.run(word, _question(self.folder, places))
        head, mark, tail = done.stdout.partition(MARK)
        try:
            if not mark:
                raise ValueError("no answer")
            return self._ground(_facts(head), tail, () if word == "remove" else places)
        except (KeyError, ValueError) as error:
            last = (done.stderr.strip().splitlines() or [str(error)])[-1]
            raise TargetNotUsable(f"cannot use {self.name}: {last[:200]}") from None

    def _ground(self, facts: dict[str, str], tail: bytes, places: Sequence[str]) -> Ground:
        """Raises KeyError, ValueError."""
        free, block, inodes, free_inodes = map(int, facts["free"].split())
        if any(abs(number) >> 64 for number in (free, block, inodes, free_inodes)):
            raise ValueError("the free space is no number of any file system")
        uid, _, user = facts["user"].partition(" ")
        capabilities = int(facts.get("capabilities") or ("0" if int(uid) else "f" * 16), 16)
        if self.login is not None:
            uid, user = str(self.login[0]), self.login[1]
            capabilities = 0 if self.login[0] else ~0
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
            holes=facts.get("disk") not in WITHOUT_HOLES,
            inodes=self.login is None,
            found=dict(_found(places, tail.decode().splitlines())) if there else {},
        )


@dataclass(frozen=True, kw_only=True)
class AttributesByScript:
    """Ask for flags, ACLs and xattrs in a folder by the script attributes.py."""

    folder: str
    run: Callable[[bytes], Completed]

    def __call__(self, places: Sequence[str]) -> list[Attributes]:
        """The attributes of each place, all unknown unless all are answered. Raises as `run`."""
        done = self.run(_question(self.folder, places))
        lines = [line.split() for line in done.stdout.decode(errors="replace").splitlines()]
        told = [line[1:] for line in lines if len(line) == 4 and line[0] == "borgpull-attributes"]
        if len(told) != len(places):
            return [Attributes()] * len(places)
        return [
            Attributes(_flags(flags), _number(acls), _names(xattrs)) for flags, acls, xattrs in told
        ]


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 20 else None


def _flags(text: str) -> int | None:
    number = _number(text)
    if number is None:
        return None
    return sum(flag for linux, flag in FROM_LINUX.items() if number & linux)


def _names(text: str) -> frozenset[str] | None:
    number, *names = text.split(",")
    return frozenset(names) if number == "0" else None


def _facts(head: bytes) -> dict[str, str]:
    return dict(
        line.removeprefix("borgpull-").partition(" ")[::2]
        for line in head.decode(errors="replace").splitlines()
        if line.startswith("borgpull-")  # a profile may print other lines
    )


def _question(folder: str, places: Sequence[str]) -> bytes:
    names = "".join(f"{place}\0" for place in places)
    return f"{folder}\n{names}".encode(errors="surrogateescape")


def _found(places: Sequence[str], lines: Sequence[str]) -> Iterator[tuple[str, Item]]:
    """The items found in the answer. Raises ValueError if it does not fit the question."""
    rest, names = iter(lines), iter(places)
    count = 0
    for head in rest:
        flags = head
        if head.startswith("="):  # one stat for a whole batch, or for its beginning
            batch = list(islice(names, int(head[1:])))
            count += len(batch)
            said = list(islice(iter(lambda: next(rest, "!"), "!"), len(batch)))
            if len(said) == len(batch):
                yield from zip(batch, map(_item, batch, said), strict=True)
                continue
            flags = next(rest, "")
        else:
            batch = [next(names, "") for _ in head]
            count += len(batch)
        for name, flag in zip(batch, flags, strict=True):
            if flag == "1":
                yield name, _item(name, next(rest, ""))
    if count != len(places):
        raise ValueError("the answer is cut short")


def _item(name: str, line: str) -> Item:
    """One line of stat. Times are whole seconds, because not every stat has more.

    Names of users may hold blanks, but no slash. Raises ValueError.
    """
    mode, size, mtime, uid, gid, inode, owner = line.split(" ", 6)
    user, _, group = owner.partition("/")
    numbers = (int(size), int(mtime) * SECOND, int(uid), int(gid))
    return Item(name, _mode(mode), *numbers, user or None, group or None, inode=inode)


@functools.lru_cache(maxsize=4096)
def _mode(text: str) -> str:
    """The mode as in `ls -l`, from stat's hexadecimal number. Raises ValueError."""
    try:
        return stat.filemode(int(text, 16))
    except OverflowError:
        raise ValueError(f"{text[:20]} is no mode") from None
