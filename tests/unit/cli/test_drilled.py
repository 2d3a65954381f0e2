from __future__ import annotations

from borgpull.cli.drilled import history, lines
from tests.support.reports import HOSTILE, hostile, past, report


def test_the_outcome_is_the_first_word() -> None:
    found = lines(report())
    assert found[0] == "PASS: web1-2026-11-28T0215"
    assert "  age of the data: 2 h 14 min, within the limit of 1 d 2 h" in found
    assert "  the restore took 22 min 23 s" in found


def test_what_was_not_as_it_should_be_says_why() -> None:
    limits = [{"name": "max_restore_time", "limit": 60, "value": 90.0, "ok": False}]
    told = report(outcome="outside limits", reasons=["too slow"], sample="3/14", limits=limits)
    found = lines(told)
    assert found[:2] == ["OUTSIDE LIMITS: web1-2026-11-28T0215, part 3/14", "  too slow"]
    assert "  restore time: 1 min 30 s, OUTSIDE the limit of 1 min" in found


def test_no_name_reaches_a_terminal_as_it_is() -> None:
    found = [*lines(hostile()), *history({"drills": [past(1, archive=name) for name in HOSTILE]})]
    assert all(line.isprintable() for line in found)


def test_no_drill_yet() -> None:
    assert history({"drills": []}) == ["no drills yet"]
