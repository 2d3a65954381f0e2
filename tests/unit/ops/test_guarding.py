"""When the guard may look at the files alone that a run has read."""

from __future__ import annotations

from typing import Any

import pytest

from borgpull.borg.inside.reads import Read, Reads
from borgpull.ops.guarding import _same_names, _unchanged

FILE = Read("a", 1, 1, None, 0)
FIGURES = {"archive_id": "last", "good": True, "items": {"-": 2, "d": 1}, "unreadable": 0}
SAME: dict[str, Any] = {"last": {}, "now": {}, "saved": {"files_read": 1}, "reads": {}}


def _asked(**changed: dict[str, Any]) -> bool:
    found = {name: value | changed.get(name, {}) for name, value in SAME.items()}
    reads = Reads(**({"before": "last", "files": [FILE]} | found["reads"]))
    last: Any = FIGURES | found["last"]
    now: Any = FIGURES | found["now"]
    read = found["saved"]["files_read"]
    return _same_names(last, now["items"], now["unreadable"], reads, read)


def test_the_names_of_the_last_archive() -> None:
    assert _asked()


@pytest.mark.parametrize(
    "changed",
    [
        {"last": {"good": False}},
        {"last": {"archive_id": "another"}},
        {"reads": {"before": ""}},
        {"reads": {"came": 1}},
        {"now": {"items": {"-": 3, "d": 1}}},
        {"now": {"items": {"-": 1, "d": 1, "s": 1}}},
        {"now": {"unreadable": 1}},
        {"saved": {"files_read": 2}},
    ],
)
def test_it_looks_at_all_files_in_doubt(changed: dict[str, dict[str, Any]]) -> None:
    assert not _asked(**changed)


@pytest.mark.parametrize(
    ("read", "reads", "same"),
    [(0, None, True), (0, Reads(), True), (1, None, False), (0, Reads(came=1), False)],
)
def test_where_nothing_was_read_and_nothing_came_nothing_is_gone(
    read: int, reads: Reads | None, *, same: bool
) -> None:
    """A file that came back may be in the place of one that is gone."""
    figures: Any = FIGURES | {"content": 9}
    saved: Any = {"files_read": read}
    assert _unchanged([figures], figures, saved, reads) is same
