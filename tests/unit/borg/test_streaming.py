"""How an engine is started."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from borgpull.borg import loading, streaming
from borgpull.borg.command import Borg

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


def test_the_memory_of_a_chunk_is_kept_for_the_next_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loading, "PROGRAM", (sys.executable, "-c", CHURN))
    borg = Borg(client="c", repository=tmp_path, base=tmp_path, passphrase=None, host_id="x")
    with streaming.started(borg, tmp_path, early=False) as (engine, _, _):
        said = [item[1] for item in engine.child.lines() if item is not None]
        assert engine.child.wait(30) == 0
    assert int(said[-1]) < 20_000  # of 112,500 that hold the content of all
