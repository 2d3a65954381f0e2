"""What borg's functions are asked, what they answer, and the names that borg deletes by.

What they say is held against stock borg in tests/docker/test_retention.py.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest

from borgpull.borg import retention
from borgpull.errors import BorgFailed
from borgpull.jobs import Keep
from borgpull.process import CommandError, Completed

ROWS = [{"name": f"a{n}", "id": f"id{n}", "time": f"2026-01-0{n}T00:00:00+00:00"} for n in (1, 2)]


def answers(monkeypatch: pytest.MonkeyPatch, answer: bytes) -> list[dict[str, Any]]:
    """What the program is asked."""
    asked: list[dict[str, Any]] = []

    def run(argv: Sequence[str], *, timeout: float, stdin: bytes) -> Completed:
        asked.append(json.loads(stdin))
        if not answer:
            raise CommandError(argv, 1, "no module named borg")
        return Completed(0, answer, "")

    monkeypatch.setattr(retention, "run", run)
    return asked


def test_the_newest_stays_whatever_the_rules_say(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = answers(monkeypatch, b'{"kept": {}}')
    assert retention.kept(Keep(within="2d", last=0), ROWS) == {"id2": "newest"}
    archives = [["id1", ROWS[0]["time"]], ["id2", ROWS[1]["time"]]]
    assert asked == [{"archives": archives, "within": "2d", "numbers": {"secondly": 0}}]
    answers(monkeypatch, b'{"kept": {"id2": ["daily", 1], "id1": ["daily[oldest]", 2]}}')
    found = retention.kept(Keep(daily=2), ROWS)
    assert found == {"id1": "daily[oldest] #2", "id2": "daily #1"}


def test_without_archives_nobody_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    assert answers(monkeypatch, b"") == []
    assert retention.kept(Keep(last=1), []) == {}


@pytest.mark.parametrize(
    "answer",
    [
        *(b"", b"[]", b"{}", b'{"kept": 1}', b'{"kept": {"id1": 1}}', b'{"kept": {"id1": ["x"]}}'),
        b'{"kept": {"other": ["daily", 1]}}',
    ],
)
def test_nothing_goes_by_what_is_no_answer(monkeypatch: pytest.MonkeyPatch, answer: bytes) -> None:
    answers(monkeypatch, answer)
    with pytest.raises(BorgFailed):
        retention.kept(Keep(last=1), ROWS)


class Borg:
    def __init__(self) -> None:
        self.ran: list[tuple[str, ...]] = []

    def run(self, *words: str) -> None:
        self.ran.append(words)


def test_each_name_is_taken_literally_and_none_is_the_repository() -> None:
    borg: Any = Borg()
    retention.delete(borg, ["{now}", "-x", "{a}"])
    retention.delete(borg, [])
    assert borg.ran == [("delete", "--", "::{{now}}", "-x", "{a}")]
    borg.ran.clear()
    names = [str(number) for number in range(retention.BATCH + 1)]
    retention.delete(borg, names)
    assert [len(words) for words in borg.ran] == [retention.BATCH + 2, 3]
