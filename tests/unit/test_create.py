"""What a backup says of the files that it read."""

from __future__ import annotations

from collections import Counter

import pytest

from borgpull.borg.create import Created, Order
from borgpull.methods.onclient import worth_a_line

STATS = {"archive": {"stats": {"nfiles": 10}}}


@pytest.mark.parametrize(
    ("fresh", "letters", "read", "unchanged"),
    [
        (True, "hh", 8, 0),  # no line for those that were added
        (True, "hhC", 8, 0),
        (False, "hhAAM", 3, 5),
        (False, "", 0, 10),
        (True, "h" * 11, 0, 0),  # what no honest borg says
        (False, "h" * 11, 0, 0),
    ],
)
def test_files_read(fresh: bool, letters: str, read: int, unchanged: int) -> None:
    done = Created(stats=STATS, statuses=Counter(letters), fresh=fresh)
    assert (done.read_files(), done.unchanged_files()) == (read, unchanged)


def test_what_is_worth_a_line() -> None:
    usual, fresh = (worth_a_line(Order(archive="a", fresh=fresh)) for fresh in (False, True))
    assert set(usual) - set(fresh) == {"A"}
    # Errors, files that change, hard links, folders, other kinds, what borg does not know.
    assert set("MCEhdsfbci?") <= set(fresh)
    assert "U" not in usual and "x" not in usual
