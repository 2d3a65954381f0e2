"""Files that the helper lists without opening them."""

from __future__ import annotations

import os
import time
import zlib
from pathlib import Path

import pytest

from borgpull.borg.inside import brief, wire
from borgpull.borg.inside.extras import extra
from borgpull.borg.inside.wire import Row
from borgpull.client.scripts import stream_list, stream_look, stream_read

LATER = 60  # seconds


def _made(top: Path) -> None:
    (top / "folder").mkdir(parents=True)
    for name in ("plain", "folder/plain", "acl", "xattr", "linked"):
        (top / name).write_bytes(b"content")
    (top / "empty").touch()
    (top / "large").write_bytes(bytes(wire.SMALL + 1))
    (top / "symlink").symlink_to("plain")
    os.mkfifo(top / "pipe")
    os.link(top / "linked", top / "also")
    os.setxattr(top / "xattr", b"user.key", b"value")


def _listed(
    top: Path, since: int, monkeypatch: pytest.MonkeyPatch
) -> tuple[bytes, dict[bytes, Row], list[bytes]]:
    """The entries as bytes, by their names, and the names of all that was opened."""
    output = stream_look.Output()
    for part in (stream_look, stream_list, stream_read):
        monkeypatch.setattr(part, "out", output)
    opened: list[bytes] = []
    really = os.open

    def watched(path: bytes, flags: int, *, dir_fd: int | None = None) -> int:
        opened.append(path)
        return really(path, flags, dir_fd=dir_fd)

    monkeypatch.setattr(os, "open", watched)
    here = Path.cwd()
    walk = stream_list.Walk({"roots": [os.fsencode(top).hex()], "bars": {}})
    walk.brief.since = since
    try:
        while walk.step():
            pass
    finally:
        os.chdir(here)
        monkeypatch.setattr(os, "open", really)
    text, at, frames = b"", 0, b"".join(output.parts)
    while at < len(frames):
        kind, length = wire.head(frames, at)
        at += wire.HEAD.size
        text += zlib.decompress(frames[at : at + length]) if kind == wire.LIST else b""
        at += length
    return text, {row.name: row for row in wire.rows_from(text)}, opened


def test_small_old_files_are_not_opened_and_their_entries_are_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _made(tmp_path / "top")
    before, _, opened = _listed(tmp_path / "top", 0, monkeypatch)
    assert {b"plain", b"empty", b"large", b"linked"} <= {*opened}
    since = (int(time.time()) + LATER) * brief.SECOND
    found, rows, opened = _listed(tmp_path / "top", since, monkeypatch)
    assert found == before
    briefly = {name for name, row in rows.items() if brief.is_brief(row.st, row.extra, since)}
    assert briefly == {b"plain", b"acl"}
    assert not briefly & {*opened}
    assert {b"folder", b"empty", b"large", b"linked", b"also", b"xattr"} <= {*opened}


def test_young_files_are_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _made(tmp_path / "top")
    since = (tmp_path / "top/plain").stat().st_ctime_ns
    _, rows, opened = _listed(tmp_path / "top", since, monkeypatch)
    assert b"plain" in opened
    assert not brief.is_brief(rows[b"plain"].st, b"", since)


def test_the_answer_for_a_file_that_was_not_opened_has_its_attributes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    output = stream_look.Output()
    monkeypatch.setattr(stream_read, "out", output)
    monkeypatch.setattr(stream_read, "attributes", lambda _: stream_look.kept(b"\x40" + bytes(7)))
    path = tmp_path / "file"
    path.write_bytes(b"content")
    os.utime(path, (1, 1))
    for ctime in (None, path.stat().st_ctime_ns):
        output.parts.clear()
        handle = os.open(path, os.O_RDONLY)
        try:
            stream_read.content(1, handle, ctime, [])
        finally:
            os.close(handle)
        answer, _, data = wire.whole(b"".join(output.parts)[wire.HEAD.size :])
        found = extra(answer.extra)
        assert (found.fresh, found.flags) == ((True, 0x40) if ctime is None else (False, 0))
        assert data == b"content"


def test_of_a_file_that_was_locked_when_it_was_listed_all_attributes_come_with_its_content(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody knows its flags, and its ctime stays as it was listed."""
    _made(tmp_path / "top")
    really = os.open

    def locked(path: bytes, flags: int, *, dir_fd: int | None = None) -> int:
        if path == b"plain":
            raise BlockingIOError(11, "a lease")
        return really(path, flags, dir_fd=dir_fd)

    monkeypatch.setattr(stream_list, "files", {})
    monkeypatch.setattr(os, "open", locked)
    _, rows, _ = _listed(tmp_path / "top", 0, monkeypatch)
    assert extra(rows[b"plain"].extra).closed
    ctimes = {name: ctime is not None for _, name, ctime, _ in stream_list.files.values()}
    assert ctimes == {name: name != b"plain" for name in ctimes}


def test_a_file_system_without_attributes_is_no_reason_to_open_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _made(tmp_path / "top")
    before, _, _ = _listed(tmp_path / "top", 0, monkeypatch)

    def refused(_: object, **__: bool) -> list[str]:
        raise OSError(95, "not supported")

    monkeypatch.setattr(os, "listxattr", refused)
    found, _, opened = _listed(tmp_path / "top", 1 << 62, monkeypatch)
    assert b"plain" not in opened
    assert len(found) < len(before)  # the attribute is not there


def test_a_clock_that_is_odd_lets_all_files_be_opened() -> None:
    assert [brief.seconds(value) for value in (0, 1, 1 << 32)] == [0, 0, 0]
    assert brief.seconds(1000) == 1000 - brief.MARGIN
