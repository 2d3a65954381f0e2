"""What is told of an extract: from bytes to items, and nothing of what cannot be."""

from __future__ import annotations

import json
from typing import Any

import pytest

from borgpull.borg import extract
from borgpull.borg.extract import Extracted
from borgpull.errors import BorgFailed, ConnectionLost
from borgpull.events import Emit, Event
from borgpull.process import running

# A folder, 10 bytes, an empty file, 30 bytes, a symlink, 60 bytes.
SIZES = (0, 10, 0, 30, 0, 60)


def said(current: object, info: object = "data/x", msgid: str = "extract") -> dict[str, Any]:
    message = {"type": "progress_percent", "operation": 1, "msgid": msgid, "finished": False}
    return {**message, "message": "x", "current": current, "total": 100, "info": info}


def follow(
    *messages: dict[str, Any],
    code: int = 0,
    alive: bool = True,
    emit: Emit = lambda event: None,
) -> Extracted:
    """What becomes of a program that prints this, and ends so."""
    text = "".join(json.dumps(message) + "\n" for message in messages)
    with running(["sh", "-c", 'printf %s "$0" >&2; exit $1', text, str(code)], name="x") as child:
        return extract.watch(child, "c", SIZES, alive=lambda: alive, emit=emit)


@pytest.mark.parametrize(
    ("current", "items"), [(1, 2), (10, 2), (11, 4), (40, 4), (41, 6), (100, 6), (10**30, 6)]
)
def test_items_begun(current: int, items: int) -> None:
    assert follow(said(current, ["data/x"])).items == items


def test_progress(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extract, "PROGRESS_SECONDS", 0)
    seen: list[Event] = []
    others = said(9, ["c"], "extract.permissions")
    assert follow(said(10, ["a"]), said(41, ["b"]), others, emit=seen.append).total == len(SIZES)
    first, second = seen
    total = {"total_files": 6, "total_bytes": 100}
    assert first.data == {"files": 2, "bytes": 10, "path": "a", **total}
    assert second.data == {"files": 6, "bytes": 41, "path": "b", **total}


@pytest.mark.parametrize("current", ["many", -1, 0, None, [1], 1.5])
def test_nonsense(current: object) -> None:
    assert follow(said(current)).items == 0


@pytest.mark.parametrize("info", [None, [], "text", {"a": 1}, [None]])
def test_nonsense_of_a_path(info: object) -> None:
    assert follow(said(1, info)).items == 2


def test_an_end_before_the_end() -> None:
    done = follow(said(10), code=2)
    assert (done.items, type(done.failure)) == (2, BorgFailed)
    with pytest.raises(BorgFailed):
        follow(code=2)
    with pytest.raises(ConnectionLost, match="0 of 6 items were begun, 6 are missing"):
        follow(said(10), alive=False)
