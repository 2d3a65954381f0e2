"""What a reader leaves out by the user's options."""

from __future__ import annotations

import json
from dataclasses import asdict

import pytest

from borgpull.borg.inside.skipped import MAX_MOUNTS, Skipped
from borgpull.borg.inside.told import KEPT_PATHS
from borgpull.borg.inside.wire import MAX_PATH, MOUNT, TAG, BadFrame
from borgpull.process import LINE_BYTES


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


def test_it_is_told_in_lines_that_come_in_one_piece() -> None:
    skipped, told = Skipped(), Skipped()
    for _ in range(KEPT_PATHS):
        skipped.see(TAG, "\N{GRINNING FACE}" * MAX_PATH, [TAG])
    for number in range(MAX_MOUNTS):
        skipped.see(MOUNT, f"srv/{number}/{'a' * 100}", [MOUNT])
    for part in skipped.parts():
        line = json.dumps(asdict(part))
        assert len(line) < LINE_BYTES - 100
        told.add(Skipped(**json.loads(line)))
    assert told == skipped
    assert len(json.dumps(asdict(skipped))) > LINE_BYTES
