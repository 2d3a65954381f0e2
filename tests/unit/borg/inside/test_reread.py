"""What is said of unchanged files that were read once more."""

from __future__ import annotations

from pathlib import Path

import pytest

from borgpull.borg.inside.extras import NO_EXTRA
from borgpull.borg.inside.reread import Reread
from borgpull.borg.inside.slots import Slot
from borgpull.borg.inside.sums import Sums, key_of
from borgpull.borg.inside.wire import Stat

FILE = Stat(0o100644, 0, 0, 1, 1, 9, 5, 10**18, 10**18, 0)
ONE, TWO, THREE = (bytes([number]) * 32 for number in (1, 2, 3))
SUM, OTHER = b"s" * 32, b"o" * 32


@pytest.mark.parametrize("known", [True, False], ids=["known", "not known"])
@pytest.mark.parametrize(
    ("old", "new", "found", "same", "differs"),
    [
        ([ONE], [ONE], SUM, (True, True), (0, 0)),
        ([ONE], [TWO], OTHER, (False, False), (1, 1)),
        ([ONE, TWO], [ONE, TWO], SUM, (True, True), (0, 0)),
        ([ONE, TWO], [ONE, THREE], OTHER, (False, False), (1, None)),
        ([ONE, TWO], [THREE], SUM, (True, False), (0, None)),  # cut elsewhere, if that is known
    ],
)
def test_what_differs(
    tmp_path: Path,
    known: bool,
    old: list[bytes],
    new: list[bytes],
    found: bytes,
    same: tuple[bool, bool],
    differs: tuple[int | None, int | None],
) -> None:
    """A None: nobody can tell, so the file does not count, and is remembered as it is now."""
    sums = Sums(tmp_path / "sums")
    if known:
        sums.note(key_of(old), SUM)
        sums.save(lambda _: True, 9)
    slot = Slot(1, "a", FILE, NO_EXTRA, 0)
    slot.ids = old
    reread = Reread(bytes(32), 1, 1, Sums(tmp_path / "sums"))
    assert reread.judge(slot, new, found) == same[not known]
    number = differs[not known]
    told = {"files": 0, "bytes": 0} if number is None else {"files": 1, "bytes": 5}
    assert reread.told() == {**told, "differs": ["a"] if number else []}


def test_each_file_has_its_turn() -> None:
    paths = [b"/%d" % number for number in range(300)]
    turns = [Reread(b"k" * 32, 7, run, Sums(Path("/nowhere"))) for run in range(20, 27)]
    assert [sum(turn.due(path) for turn in turns) for path in paths] == [1] * 300
    assert all(any(turn.due(path) for path in paths) for turn in turns)
