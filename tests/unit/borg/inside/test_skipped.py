"""What a reader leaves out by the user's options."""

from __future__ import annotations

import pytest

from borgpull.borg.inside.skipped import KEPT_PATHS, MAX_MOUNTS, Skipped
from borgpull.borg.inside.wire import MOUNT, TAG, BadFrame


@pytest.mark.parametrize(("op", "wanted"), [(TAG, [MOUNT]), (MOUNT, [TAG]), (TAG, [])])
def test_nothing_is_left_out_that_nobody_wants_left_out(op: str, wanted: list[str]) -> None:
    with pytest.raises(BadFrame):
        Skipped().see(op, "srv/a", wanted)


def test_all_are_counted_and_some_are_named() -> None:
    skipped = Skipped()
    for number in range(KEPT_PATHS + 5):
        skipped.see(TAG, f"srv/{number}", [TAG])
    assert (skipped.tagged, len(skipped.tagged_paths)) == (KEPT_PATHS + 5, KEPT_PATHS)


def test_mounts_have_an_end() -> None:
    skipped = Skipped()
    for number in range(MAX_MOUNTS):
        skipped.see(MOUNT, f"mnt/{number}", [MOUNT])
    with pytest.raises(BadFrame):
        skipped.see(MOUNT, "mnt/more", [MOUNT])
