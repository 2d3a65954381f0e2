"""What the guard learns of the files that a run has read."""

from __future__ import annotations

import json

from borgpull.borg.inside.extras import NO_EXTRA
from borgpull.borg.inside.reads import MAX_READS, Reads
from borgpull.borg.inside.slots import READY, Slot
from borgpull.borg.inside.wire import Stat


def _slot(path: str, links: int = 1) -> Slot:
    numbers = dict.fromkeys(Stat._fields, 0) | {"st_nlink": links, "st_size": 7}
    return Slot(0, path, Stat(**numbers), NO_EXTRA, READY)


def test_a_further_name_of_a_file_that_was_read_came() -> None:
    """It may be the name of another file's content, until now. Those of others did not change."""
    reads = Reads()
    reads.see(_slot("read", links=2), 0)
    reads.see(_slot("alone"), 0)
    for first in (b"alone", b"unchanged"):
        reads.see_name(first)
    assert reads.came == 0
    reads.see_name(b"read")
    assert reads.came == 1


def test_all_arrives_in_parts() -> None:
    reads, found = Reads(before="id"), Reads()
    for number in range(2000):
        reads.see(_slot(f"{number}/" + "x" * 100), 0)
    parts = list(reads.parts())
    assert len(parts) > 2
    for part in parts:
        found.add(json.loads(json.dumps(part)))
    assert (found.before, found.came, found.files) == ("id", 0, reads.files)


def test_beyond_the_bound_nobody_knows() -> None:
    reads, together = Reads(), Reads()
    slot = _slot("x")
    for number in range(MAX_READS + 2):
        reads.see(slot, number)
    assert (len(reads.files), reads.came) == (MAX_READS, 2)
    for at in range(0, MAX_READS + 2, 39):  # the bound is within some of them
        numbers = range(MAX_READS + 2)[at : at + 39]
        together.see_all([slot] * len(numbers), numbers)
    assert together == reads
