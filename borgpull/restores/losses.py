"""What may get lost on the way to a target: by kinds, and how many items of an archive lose it."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from borgpull.borg.items import Item

SECOND = 10**9

# Of these an item itself is lost, of the others an attribute.
WHOLE = {"devices": "bc", "fifos": "p"}

KINDS: dict[str, Callable[[Item], bool]] = {
    "devices": lambda item: item.kind in WHOLE["devices"],
    "fifos": lambda item: item.kind in WHOLE["fifos"],
    "xattrs": lambda item: item.xattrs > 0,
    "acls": lambda item: item.acls,
    "flags": lambda item: item.flags != 0,
    "link_owners": lambda item: item.kind == "l",
    "link_times": lambda item: item.kind == "l",
    "epoch_times": lambda item: item.kind != "l" and item.mtime_ns < SECOND,
    "folder_times": lambda item: item.kind == "d",
    # borg's tar gets times as floating point: the last 100 ns of a second are those of the next.
    "rounded_times": lambda item: int(item.mtime_ns / SECOND) != item.mtime_ns // SECOND,
    "fine_times": lambda item: item.kind != "l" and item.mtime_ns % SECOND != 0,
}
# Said before and counted, but no failure: nothing that works depends on them.
MINOR = frozenset({"link_times", "folder_times", "rounded_times", "fine_times"})

# What is not looked for afterwards, as it is known to be lost.
HIDES = {
    "link_owners": "owners",
    "link_times": "times",
    "epoch_times": "times",
    "rounded_times": "times",
}

# By SFTP version 3: no xattrs, ACLs or flags, no device nodes or FIFOs (sshfs makes none), whole
# seconds, no time 0 (sshfs takes it for "now"), and whatever is set on a symlink would hit what it
# points at (libfuse/sshfs#105).
BY_SFTP = frozenset(KINDS) - {"folder_times", "rounded_times"}
# borg's tar has the GNU format (borg 1.4.5, archiver.py).
BY_TAR = frozenset({"xattrs", "acls", "flags", "rounded_times", "fine_times"})


def count(
    items: Iterable[Item], kinds: frozenset[str], ours: Callable[[Item], bool]
) -> dict[str, int]:
    """Items that lose something, by kinds; `ours` says whose owner is right without being set."""
    numbers = dict.fromkeys(sorted(kinds), 0)
    for item in items:
        for kind in kinds:
            numbers[kind] += KINDS[kind](item) and not (kind == "link_owners" and ours(item))
    return {kind: number for kind, number in numbers.items() if number}


def hidden(item: Item, kinds: frozenset[str]) -> set[str]:
    """The differences that are no news."""
    return {HIDES[kind] for kind in kinds & HIDES.keys() if KINDS[kind](item)}


def lost_whole(item: Item, kinds: frozenset[str]) -> bool:
    """Will it not be there at all?"""
    return any(item.kind in letters and kind in kinds for kind, letters in WHOLE.items())
