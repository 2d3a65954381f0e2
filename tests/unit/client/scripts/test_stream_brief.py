"""Which small files the helper lists without asking for their attributes."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from borgpull.client.scripts import stream_brief
from borgpull.client.scripts.stream_brief import Brief

NAMES = [(b"%04d" % number, True) for number in range(20)]


@pytest.fixture
def asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[bytes]]:
    """The names that were asked for their attributes, in a folder of many old files."""
    found: list[bytes] = []
    really = os.listxattr

    def watched(name: bytes, *, follow_symlinks: bool = True) -> list[str]:
        found.append(name)
        return really(name, follow_symlinks=follow_symlinks)

    monkeypatch.setattr(os, "listxattr", watched)
    monkeypatch.setattr(stream_brief, "owners", {(os.geteuid(), os.getegid())})
    here = Path.cwd()
    os.chdir(tmp_path)
    try:
        yield found
    finally:
        os.chdir(here)


def made(count: int) -> None:
    for name, _ in NAMES[:count]:
        Path(os.fsdecode(name)).write_bytes(b"content")


def listed(brief: Brief, count: int) -> list[bytes]:
    """The names of the first files that are listed so."""
    rows, weight = brief.rows(NAMES[:count][::-1], count, 1 << 20, 2, 10)
    found = [row[-4:] for row in rows]
    assert weight == len(found) * (10 + 4)
    return found


def old(brief: Brief) -> Brief:
    brief.since = 1 << 62
    return brief


def test_on_such_a_file_system_no_file_is_asked(tmp_path: Path, asked: list[bytes]) -> None:
    made(20)
    brief = old(Brief())
    assert len(listed(brief, 20)) == len(asked) == 20
    asked.clear()
    brief.devices = {tmp_path.stat().st_dev}
    assert len(listed(brief, 20)) == 20
    assert not asked


def test_an_odd_file_is_listed_in_full(tmp_path: Path, asked: list[bytes]) -> None:
    made(20)
    brief = old(Brief())
    brief.odd = {Path("0007").stat().st_ino}
    brief.devices = {tmp_path.stat().st_dev}
    assert listed(brief, 20) == [name for name, _ in NAMES[:7]]
