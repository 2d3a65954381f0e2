"""A small manifest, as the engine writes it."""

from __future__ import annotations

import zlib

from borgpull.borg.inside import wire
from borgpull.borg.inside.extras import NO_EXTRA
from borgpull.borg.inside.manifest import Manifest
from borgpull.borg.inside.slots import Slot
from borgpull.borg.inside.wire import Stat
from borgpull.client.scripts.stream_look import ENTRY, STAT

FOLDER = Stat(0o40755, 0, 0, 2, 1, 8, 0, 10**18 + 5, 10**18 + 7, 0)
FILE = Stat(0o100644, 4, 5, 1, 1, 9, 5, 10**18 + 5, 10**18 + 7, 0)


def row(depth: int, name: bytes, st: Stat) -> bytes:
    return ENTRY.pack(depth, len(name), 0) + STAT.pack(*st) + name


def listing() -> bytes:
    return zlib.compress(row(0, b"srv", FOLDER) + row(1, b"a", FILE))


def fill(manifest: Manifest) -> None:
    """A folder and a file."""
    manifest.frame(wire.LIST, listing())
    for number, (path, st) in enumerate((("srv", FOLDER), ("srv/a", FILE))):
        slot = Slot(number, path, st, NO_EXTRA, 0)
        slot.status, slot.item = "d-A"[number * 2], {}
        slot.sum = b"s" * 32 if number else None
        manifest.saved(slot)
