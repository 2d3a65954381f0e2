"""When a helper reads a file that has just been changed."""

from __future__ import annotations

import os
import time
from pathlib import Path

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


@pytest.mark.parametrize(("ago", "waits"), [(0, True), (2, False), (-3600, False)])
def test_only_a_change_of_this_moment_is_waited_for(ago: int, waits: bool) -> None:
    """On a file system that knows whole seconds."""
    whole = int(time.time()) - ago
    assert stream_read.outlasts(whole * 10**9) == waits
    if waits:
        assert time.time() >= whole + 1 - 0.001
