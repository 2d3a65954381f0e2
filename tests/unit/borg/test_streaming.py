"""How an engine is started."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from borgpull.borg import loading, streaming
from borgpull.borg.command import Borg
from borgpull.borg.streaming import Engine
from borgpull.errors import BorgFailed

# What chunks do to the memory: large blocks come and go. It tells how many pages were given.
CHURN = """
import resource
def pages():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
def churn():
    for _ in range(50):
        text = b"x" * (3 << 20)
        text = [b"".join((text, b"y")), b"".join((b"z", text))]
churn()
before = pages()
churn()
print(pages() - before)
"""

# Own lines that are longer than what is read of a line at once, between others.
LONG = """
import json, sys
for number in range(3):
    print("plain", file=sys.stderr, flush=True)
    named = ["\\u00e9" * 400_000, number]
    print(json.dumps({"type": "borgpull_paths", "named": named}), file=sys.stderr, flush=True)
"""


@contextlib.contextmanager
def started(program: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Engine]:
    """An engine with a program in its place."""
    monkeypatch.setattr(loading, "PROGRAM", (sys.executable, "-c", program))
    borg = Borg(client="c", repository=tmp_path, base=tmp_path, passphrase=None, host_id="x")
    with streaming.started(borg, tmp_path, early=False) as (engine, _, _):
        yield engine


def test_a_long_line_of_its_own_comes_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with started(LONG, tmp_path, monkeypatch) as engine:
        said = [item[1] for item in engine._lines if item is not None]
    assert said[::2] == [b"plain\n"] * 3
    found = [json.loads(line)["named"] for line in said[1::2]]
    assert found == [["\u00e9" * 400_000, number] for number in range(3)]


def test_a_line_of_its_own_without_end_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streaming, "MAX_LINE", 2 << 20)
    with (
        started(LONG, tmp_path, monkeypatch) as engine,
        pytest.raises(BorgFailed, match="without end"),
    ):
        list(engine._lines)


def test_the_memory_of_a_chunk_is_kept_for_the_next_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with started(CHURN, tmp_path, monkeypatch) as engine:
        said = [item[1] for item in engine.child.lines() if item is not None]
        assert engine.child.wait(30) == 0
    assert int(said[-1]) < 20_000  # of 112,500 that hold the content of all
