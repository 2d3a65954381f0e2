"""What a helper sends of a file whose pieces are known, put together again here."""

from __future__ import annotations

import os
import struct
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from borgpull.borg.inside import wire
from borgpull.borg.inside.channel import Channel
from borgpull.borg.inside.delta import Compared
from borgpull.borg.inside.wire import BadFrame
from borgpull.client.scripts import stream_delta, stream_look

PIECES = [b"a" * 1000, bytes(stream_delta.BLOCK), b"b" * 5000, b"c"]


def _answer(path: Path, new: bytes, old: list[bytes], monkeypatch: pytest.MonkeyPatch) -> bytes:
    """The frames of the helper's own code."""
    path.write_bytes(new)
    output = stream_look.Output()
    monkeypatch.setattr(stream_delta, "out", output)
    monkeypatch.setattr(output, "flush", lambda: None)
    handle = os.open(path, os.O_RDONLY)
    try:
        pieces = [(len(one), sha256(one).digest()) for one in old]
        stream_delta.rest(handle, 0, len(new), pieces)
    finally:
        os.close(handle)
    return b"".join(output.parts) + _stop(len(new))


def _stop(size: int) -> bytes:
    content = struct.pack("<BiqQ", 0, 0, 5, size)
    return wire.HEAD.pack(wire.STOP, len(content)) + content


class _Taken(NamedTuple):
    content: bytes
    reader: Compared
    came: bytes  # of the content: what borg's chunker has seen

    def sum(self) -> bytes | None:
        return self.reader.sum(sha256(self.came).digest())


def _taken(frames: bytes, old: list[bytes], size: int, lost: bytes = b"") -> _Taken:
    """The content that the engine makes of them. Raises BadFrame."""
    null = os.open(os.devnull, os.O_RDWR)
    try:
        pieces = [(one, len(one)) for one in old]
        whole = sha256(b"".join(old)).digest()
        channel = Channel(null, null)
        channel._buffer = frames
        reader = Compared(channel, size, pieces, whole, lambda key: key != lost)

        def chunks(file: Compared) -> list[bytes]:
            found = b""
            while block := file.read(7000):
                found += block
            return [b"*" + found] if found else []

        content = came = b""
        for one in reader.cut(chunks):  # type: ignore[arg-type]
            content += one[1:] if one[:1] == b"*" else one
            came += one[1:] if one[:1] == b"*" else b""
        return _Taken(content, reader, came)
    finally:
        os.close(null)


@given(
    kept=st.lists(st.sampled_from([*range(len(PIECES)), -1, -2]), max_size=6),
    tail=st.binary(max_size=50),
)
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_has_changed_the_content_is_what_is_there(
    kept: list[int], tail: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = {-1: b"d" * 1000, -2: b"e" * 3}
    new = b"".join(PIECES[at] if at >= 0 else other[at] for at in kept) + tail
    frames = _answer(tmp_path / "file", new, PIECES, monkeypatch)
    taken = _taken(frames, PIECES, len(new))
    assert taken.content == new
    assert taken.reader.size == len(new)
    assert taken.sum() == sha256(new).digest()


def test_only_what_differs_is_sent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    same = _answer(tmp_path / "file", b"".join(PIECES), PIECES, monkeypatch)
    assert len(same) < 100
    changed = b"".join([PIECES[0], PIECES[1], b"x" + PIECES[2][1:], PIECES[3]])
    assert 5000 < len(_answer(tmp_path / "file", changed, PIECES, monkeypatch)) < 5300


def test_a_beginning_that_changes_once_it_is_told_has_no_hash(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As by a program that has mapped the file."""
    path = tmp_path / "file"

    def pread(handle: int, size: int, at: int) -> bytes:
        with path.open("r+b") as file:
            file.write(b"z")
        return os.read(os.open(path, os.O_RDONLY), at + size)[at:]

    monkeypatch.setattr(os, "pread", pread)
    new = PIECES[0] + b"new"
    taken = _taken(_answer(path, new, PIECES, monkeypatch), PIECES, len(new))
    assert taken.content == new
    assert taken.sum() is None


@given(
    frames=st.lists(
        st.tuples(st.sampled_from([wire.SAME, wire.SUM, wire.DATA]), st.binary(max_size=40))
    )
)
def test_any_frames_are_a_content_or_a_bad_frame(frames: list[tuple[int, bytes]]) -> None:
    text = b"".join(wire.HEAD.pack(kind, len(data)) + data for kind, data in frames)
    try:
        taken = _taken(text + _stop(3), PIECES, 3)
        found = taken.sum()
    except BadFrame:
        return
    assert len(taken.content) == taken.reader.size
    assert found is None or len(found) == 32


def test_a_piece_that_the_repository_has_lost_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    frames = _answer(tmp_path / "file", b"".join(PIECES), PIECES, monkeypatch)
    assert _taken(frames, PIECES, 9, lost=PIECES[2]).reader.lost
    assert not _taken(frames, PIECES, 9).reader.lost


@given(
    st.lists(st.tuples(st.integers(0, 4), st.integers(0, 9), st.integers(0, 3)), max_size=5),
    st.integers(0, 300),
)
def test_requests_come_in_any_parts(found: list[tuple[int, int, int]], cut: int) -> None:
    text, wanted = b"", []
    for kind, number, count in found:
        pieces = [(at + 1, bytes([at]) * 32) for at in range(count)] if kind == wire.COMPARE else []
        text += wire.REQUEST.pack(kind, number)
        if kind == wire.COMPARE:
            text += len(pieces).to_bytes(4, "little")
            text += b"".join(wire.PIECE.pack(*piece) for piece in pieces)
        wanted.append((kind, number, pieces))
    first, rest = stream_delta.parsed(text[:cut])
    second, left = stream_delta.parsed(rest + text[cut:])
    assert (first + second, left) == (wanted, b"")
