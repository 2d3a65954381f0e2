"""Small files that were listed, and answers that are as expected."""

from __future__ import annotations

import struct

from borgpull.borg.inside.extras import NO_EXTRA
from borgpull.borg.inside.fresh import as_listed
from borgpull.borg.inside.slots import ASKED, Slot
from borgpull.borg.inside.wire import Stat
from tests.support import engine_alone
from tests.support.evil_helper import FILE

STAT = struct.Struct("<IIIIQQQqqQ")


def slots_of(sizes: list[int]) -> tuple[list[Slot], list[bytes]]:
    """Files, and the frames of their answers."""
    slots, frames = [], []
    for number, size in enumerate(sizes):
        st = engine_alone.stat(FILE, size)
        one = Slot(number, str(number), Stat(*STAT.unpack(st)), NO_EXTRA, ASKED)
        one.answer = as_listed(number, st, size)
        slots.append(one)
        frames.append(engine_alone.whole(number, st, (b"%d" % number * size)[:size]))
    return slots, frames
