"""What is told of an extract: from bytes to items, and nothing of what cannot be."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import pytest

from borgpull.borg import extract
from borgpull.borg.extract import Extracted
from borgpull.errors import BorgFailed, ConnectionLost
from borgpull.events import Emit, Event
from borgpull.process import running
from borgpull.ssh import session
from borgpull.trees.item import Item

# A folder, 10 bytes, an empty file, 30 bytes, a symlink, 60 bytes.
SIZES = (0, 10, 0, 30, 0, 60)
GOING = [
    Item(
        path=f"data/{number}",
        place=f"data/{number}",
        mode="-rw-r--r--",
        size=size,
        mtime_ns=0,
        uid=0,
        gid=0,
        user="root",
        group="root",
        chunks=size // 10,
    )
    for number, size in enumerate(SIZES)
]


def said(current: object, info: object = "data/x", msgid: str = "extract") -> dict[str, Any]:
    message = {"type": "progress_percent", "operation": 1, "msgid": msgid, "finished": False}
    return {**message, "message": "x", "current": current, "total": 100, "info": info}


def follow(
    *messages: dict[str, Any],
    code: int = 0,
    alive: bool | Callable[[], bool] = True,
    emit: Emit = lambda event: None,
    chunks: int | None = None,
) -> Extracted:
    """What becomes of a program that prints this, and ends so."""
    living = alive if callable(alive) else lambda: alive
    text = "".join(json.dumps(message) + "\n" for message in messages)
    with running(["sh", "-c", 'printf %s "$0" >&2; exit $1', text, str(code)], name="x") as child:
        handed = None if chunks is None else lambda: extract.FIRST_CHUNKS + chunks
        return extract.watch(child, "c", GOING, alive=living, emit=emit, handed=handed)


@pytest.mark.parametrize(
    ("current", "items"), [(1, 2), (10, 2), (11, 4), (40, 4), (41, 6), (100, 6), (10**30, 6)]
)
def test_items_begun(current: int, items: int) -> None:
    assert follow(said(current, ["data/x"])).items == items


@pytest.mark.parametrize(
    ("chunks", "items"), [(-3, 0), (0, 0), (1, 2), (2, 4), (4, 4), (5, 6), (10, 6), (999, 6)]
)
def test_items_begun_by_chunks(chunks: int, items: int) -> None:
    seen: list[Event] = []
    assert follow(said(0), chunks=chunks, emit=seen.append).items == items
    told = [(event.data["files"], event.data["bytes"], event.data["path"]) for event in seen]
    sent = {2: 10, 4: 40, 6: 100}
    assert told == ([(items, sent[items], f"data/{items - 1}")] if items else [])


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
    with pytest.raises(ConnectionLost, match="about 0 of 6 items were begun, 6 are missing"):
        follow(said(10), alive=False)


@pytest.mark.parametrize("code", [1, 2])
@pytest.mark.parametrize("text", ["Input/output error", "Transport endpoint is not connected"])
def test_sshfs_ends_a_moment_after_its_errors(
    code: int, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = {
        "levelname": "WARNING",
        "msgid": "BackupIOError",
        "message": f"f: open: [Errno 5] {text}",
    }
    told = said(10), {"type": "log_message", **gone}
    ends = time.monotonic() + 0.2
    with pytest.raises(ConnectionLost, match="items were begun"):
        follow(*told, code=code, alive=lambda: time.monotonic() < ends)
    monkeypatch.setattr(session, "LAST_MOMENT_SECONDS", 0.1)
    assert len(follow(*told, code=code).warnings) == 1  # a disk of the target, perhaps


def test_a_connection_that_breaks_behind_the_extract() -> None:
    done = Extracted(items=2, total=6, returncode=1)
    with (
        pytest.raises(ConnectionLost, match="about 2 of 6 items were begun, 4 are missing") as told,
        extract.counted(done),
    ):
        raise ConnectionLost("it broke")
    assert "--overwrite changed" in told.value.hint
    assert "missing" not in extract.broken(Extracted(returncode=2)).message
    whole = extract.counted(Extracted(items=6, total=6))
    with pytest.raises(ConnectionLost, match="not compared") as told, whole:
        raise ConnectionLost("it broke")
    assert "--overwrite changed" in told.value.hint
