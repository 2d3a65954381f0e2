"""When a helper reads a file that has just been changed."""

from __future__ import annotations

import os
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from borgpull.borg.inside import wire
from borgpull.client.scripts import stream_look, stream_read


def test_a_file_is_read_once_its_ctime_is_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    output = stream_look.Output()
    monkeypatch.setattr(stream_read, "out", output)
    began: list[float] = []
    read = os.read

    def reading(handle: int, size: int) -> bytes:
        began.append(time.time())
        return read(handle, size)

    path = tmp_path / "file"
    path.write_bytes(b"new")
    handle = os.open(path, os.O_RDONLY)
    st = os.fstat(handle)
    monkeypatch.setattr(os, "read", reading)
    try:
        stream_read.content(1, handle, st.st_ctime_ns, [])
    finally:
        os.close(handle)
    assert min(began) >= st.st_ctime_ns / 1e9 + stream_read.TICK - 0.001
    frames = b"".join(output.parts)
    answer, end, data = wire.whole(frames[wire.HEAD.size :])
    assert (answer.number, end.ctime_ns, data) == (1, st.st_ctime_ns, b"new")


@pytest.mark.parametrize(
    ("now", "ctime", "until"),
    [
        (101.2, 101, 102),
        (101.2, 100, 102),  # vfat has even seconds
        (102.1, 101, None),
        (102.1, 100, None),
        (101.2, 3701, None),  # the clock of its disk is another one
    ],
)
def test_only_a_change_of_this_moment_is_waited_for(
    monkeypatch: pytest.MonkeyPatch, now: float, ctime: int, until: float | None
) -> None:
    """On a file system that knows whole seconds."""
    slept: list[float] = []
    clock = SimpleNamespace(time=lambda: now, sleep=slept.append)
    monkeypatch.setattr(stream_read, "time", clock)
    assert stream_read.outlasts(ctime * 10**9) == (until is not None)
    assert slept == ([pytest.approx(until - now)] if until is not None else [])
