"""The kinds of losses on the way to a target, and which items of an archive have them."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from borgpull.trees.item import SECOND, Item

# Kinds that lose the whole item, by its letters of `ls -l`. The other kinds lose an attribute.
WHOLE = {"devices": "bc", "fifos": "p"}

KINDS: dict[str, Callable[[Item], bool]] = {
    "devices": lambda item: item.kind in WHOLE["devices"],
    "fifos": lambda item: item.kind in WHOLE["fifos"],
    "xattrs": lambda item: bool(item.xattrs),
    "acls": lambda item: bool(item.acls),
    "flags": lambda item: bool(item.flags),
    "link_owners": lambda item: item.kind == "l",
    "link_times": lambda item: item.kind == "l",
    "epoch_times": lambda item: item.kind != "l" and 0 <= item.mtime_ns < SECOND,
    # SFTP has 32 bits for seconds, from 1970 to 2106.
    "far_times": lambda item: item.kind != "l" and not 0 <= item.mtime_ns < SECOND << 32,
    "folder_times": lambda item: item.kind == "d",
    # borg's tar takes times as floating point: the last 100 ns of a second go to the next second.
    "rounded_times": lambda item: int(item.mtime_ns / SECOND) != item.mtime_ns // SECOND,
    "fine_times": lambda item: item.mtime_ns % SECOND != 0,
}
# These losses are announced and counted, but are no failure: no program depends on them.
MINOR = frozenset({"link_times", "folder_times", "rounded_times", "fine_times"})

# The differences that a loss explains: they are not reported after a restore.
HIDES = {
    "link_owners": "owners",
    "link_times": "times",
    "epoch_times": "times",
    "far_times": "times",
    "folder_times": "times",
    "rounded_times": "times",
}

# SFTP version 3 has no xattrs, ACLs or flags. sshfs makes no device nodes or FIFOs. Times are whole
# seconds of 32 bits, without time 0 (sshfs takes it for "now"). An attribute of a symlink would be
# set on the file that it points at (libfuse/sshfs#105).
BY_SFTP = frozenset(KINDS) - {"folder_times", "rounded_times"}
# borg's tar has the GNU format (borg 1.4.5, archiver.py), which holds any number of seconds.
BY_TAR = frozenset({"xattrs", "acls", "flags", "rounded_times", "fine_times"})


def of(item: Item, kinds: frozenset[str], ours: Callable[[Item], bool]) -> Iterator[str]:
    """The losses of an item; `ours` says whether its owner is right without being set."""
    whole = item.kind == "l" and "link_times" in kinds  # no fraction of such a time is left
    for kind in kinds - {"fine_times"} if whole else kinds:
        if KINDS[kind](item) and not (kind == "link_owners" and ours(item)):
            yield kind


def hidden(item: Item, kinds: frozenset[str]) -> set[str]:
    """The differences that the known losses of an item explain."""
    return {HIDES[kind] for kind in kinds & HIDES.keys() if KINDS[kind](item)}


def lost_whole(item: Item, kinds: frozenset[str]) -> bool:
    """Is the whole item lost?"""
    return any(item.kind in letters and kind in kinds for kind, letters in WHOLE.items())
