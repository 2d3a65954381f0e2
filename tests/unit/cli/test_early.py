"""What is begun before a command line is read."""

from __future__ import annotations

import json
import sys

import pytest

from borgpull.borg import loading
from borgpull.cli import early
from borgpull.verbs import VERBS


def test_the_verb_that_has_an_engine_is_the_one_that_lists_by_it() -> None:
    assert {name for name, verb in VERBS.items() if verb.lists} == {early.VERB}
    assert {name for name, verb in VERBS.items() if verb.ahead} == {early.VERB}


@pytest.mark.parametrize(
    ("words", "line", "there"),
    [
        (["stream"], None, True),
        (["pipe"], None, False),
        ([], None, False),
        (["--help"], None, False),
        (["job"], json.dumps({"verb": "stream"}).encode(), True),
        (["job"], json.dumps({"verb": "pipe"}).encode(), False),
        (["job"], b"", False),
        (["job"], b'{"verb": ["stream"]}', False),
        (["job"], b'["stream"]', False),
        (["job"], b"[" * 100_000, False),
        (["job"], b"\xff", False),
    ],
)
def test_whose_engine_is_begun(
    words: list[str], line: bytes | None, monkeypatch: pytest.MonkeyPatch, *, there: bool
) -> None:
    monkeypatch.setattr(loading, "PROGRAM", (sys.executable, "-c", "input()"))
    monkeypatch.setattr("borgpull.process.as_batch", lambda: None)  # it would stay one
    with early.engine(words, line):
        assert bool(loading._ahead) == there
    assert not loading._ahead
