"""What may change, and look as before."""

from __future__ import annotations

import pytest

from borgpull.borg.inside.unseen import SECOND, Unseen
from borgpull.borg.inside.wire import Stat

BEGAN = 1_700_000_000 * SECOND


def st(ctime: int, mtime: int = 0) -> Stat:
    return Stat(0o100644, 0, 0, 1, 1, 7, 5, mtime, ctime, 0)


@pytest.mark.parametrize(
    ("ctime", "may"),
    [
        (BEGAN - 86_400 * SECOND, False),
        (BEGAN - 3 * SECOND, False),
        (BEGAN - 2 * SECOND, True),  # it may stand for any time up to the next second but one
        (BEGAN - SECOND, True),
        (BEGAN - SECOND + 1, False),
        (BEGAN - 9_999_999, True),  # a tick
        (BEGAN, True),
        (BEGAN + 600 * SECOND + 1, True),
        (BEGAN + 86_500 * SECOND, False),
    ],
)
def test_by_a_ctime(ctime: int, may: bool) -> None:
    assert Unseen(BEGAN, ctimes=True).may(st(ctime)) == may
    assert not Unseen(None, ctimes=True).may(st(ctime)), "the helper waits"
    if may:  # what `Fresh` may save is quiet
        assert ctime > Unseen(BEGAN, ctimes=True).quiet(BEGAN * 2)
    assert ctime <= Unseen(None, ctimes=True).quiet(BEGAN * 2)


@pytest.mark.parametrize(
    ("mtime", "may"),
    [
        (BEGAN - 3 * SECOND, False),
        (BEGAN - 2 * SECOND, True),
        (BEGAN, True),
        (BEGAN + 86_400 * SECOND, True),  # the clock of its disk may be ahead
        (BEGAN + 2 * 86_400 * SECOND, False),  # somebody has given it this time
        (2**32 * SECOND - SECOND, False),  # before 1970, as SFTP has it
    ],
)
def test_by_an_mtime(mtime: int, may: bool) -> None:
    assert Unseen(BEGAN, ctimes=False).may(st(mtime, mtime)) == may
