from __future__ import annotations

from borgpull.reports.matrix import render
from tests.support.reports import HOSTILE, past


def test_a_row_a_drill_and_the_newest_first() -> None:
    drills = [past(2, "differs"), past(1, archive="", coverage=None, restore_seconds=None)]
    text = render(
        "web1", {"drills": drills, "last_run": "2026-11-28T04:30:00+00:00", "last_good": None}
    ).decode()
    assert "- last drill that passed: –" in text  # noqa: RUF001
    assert "- 2 drills in here: 1 pass, 1 differs" in text
    rows = [line for line in text.splitlines() if line.startswith("| ")][2:]
    assert [row.split(" | ")[0] for row in rows] == ["| 60", "| 59"]
    assert "🔴 DIFFERS" in rows[1]
    assert " none " in rows[0]


def test_no_archive_breaks_a_row() -> None:
    drills = [past(1, archive=name, how=name) for name in HOSTILE]
    text = render("web1", {"drills": drills, "last_run": None, "last_good": None}).decode()
    rows = [line for line in text.splitlines() if line.startswith("| ")][1:]
    assert len(rows) == len(HOSTILE) + 1
    assert {row.count("|") for row in rows} == {12}


def test_none_yet() -> None:
    text = render("web1", {"drills": [], "last_run": None, "last_good": None}).decode()
    assert "0 drills in here: none" in text
