from __future__ import annotations

import pytest

from borgpull import asking
from borgpull.asking import Answer
from borgpull.events import Event

GOOD = Answer(code=3, output="text", why="", left="")


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "_answers", None)
    monkeypatch.setattr(asking, "SPARE_SECONDS", 0.0)


def asked(line: bytes | None) -> Answer:
    answered = asking.listen()
    seen: list[Event] = []

    def emit(event: Event) -> None:
        seen.append(event)
        if line is not None:
            answered(line)

    found = asking.ask(emit, 2, "folder", 0.01)
    assert seen == [Event("ask", {"check": 2, "folder": "folder"})]
    return found


def test_only_who_has_a_launcher_can_ask() -> None:
    assert not asking.possible()
    asking.listen()
    assert asking.possible()


def test_an_answer_comes_as_it_was_sent() -> None:
    assert asked(GOOD.line(2)) == GOOD


def test_a_late_answer_of_another_check_is_none_of_this() -> None:
    answered = asking.listen()
    answered(Answer(code=0).line(1))
    assert asking.ask(lambda event: None, 2, "folder", 0.01).code is None
    answered(Answer(code=0).line(1))
    assert asking.ask(lambda event: answered(GOOD.line(2)), 2, "folder", 10) == GOOD


def test_what_came_before_the_question_is_no_answer_to_it() -> None:
    asking.listen()(Answer(code=0).line(2))
    assert asking.ask(lambda event: None, 2, "folder", 0.01).code is None


@pytest.mark.parametrize(
    "line",
    [
        None,
        b"",
        b"{",
        b"[]",
        b"null",
        b"{}",
        b'{"code": 0}',
        GOOD.line(2).replace(b'"check": 2', b'"check": "2"'),
        GOOD.line(2).replace(b'"code": 3', b'"code": "3"'),
        GOOD.line(2).replace(b'"code": 3', b'"code": true'),
        GOOD.line(2).replace(b'"why": ""', b'"why": null'),
        GOOD.line(2).replace(b'"why": ""', b'"why": "", "more": 1'),
    ],
)
def test_no_answer_and_nonsense_are_no_exit_code(line: bytes | None) -> None:
    found = asked(line)
    assert found.code is None
    assert found.why
