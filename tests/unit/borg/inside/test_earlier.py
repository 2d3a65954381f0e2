"""Sums of an earlier manifest: of which files they are taken over."""

from __future__ import annotations

import json
import stat
import zlib
from pathlib import Path
from typing import Any

import pytest

from borgpull.borg.inside import wire
from borgpull.borg.inside.earlier import Earlier
from borgpull.borg.inside.manifest import (
    END,
    FURTHER,
    HAS_SUM,
    LENGTH,
    OTHER,
    RECORD,
    SAVED,
    START,
    UNSURE,
)
from borgpull.borg.inside.wire import Stat

FILE = Stat(stat.S_IFREG | 0o644, 0, 0, 1, 1, 9, 5, 10**18, 10**18, 0)
ONE, TWO, OLD = b"1" * 32, b"2" * 32, b"o" * 32
OTHER_STAT = FILE._replace(st_size=6, st_ctime_ns=7)
FILES = [
    ("a", FILE, HAS_SUM, ONE),
    ("further", FILE, FURTHER, b""),
    ("bare", FILE._replace(st_size=50), UNSURE | HAS_SUM, ONE),  # it was changing
    ("large", FILE._replace(st_size=500), HAS_SUM, TWO),
    ("b", FILE, HAS_SUM, TWO),
    ("other", FILE, HAS_SUM | OTHER, OLD),
    ("link", FILE._replace(st_mode=stat.S_IFLNK), 0, b""),
]


def text_of(text: bytes) -> bytes:
    return LENGTH.pack(len(text)) + text


@pytest.fixture
def manifest(tmp_path: Path) -> str:
    rows, records = b"", b""
    for number, (name, st, flags, found) in enumerate([("srv", FILE, 0, b""), *FILES]):
        st = st if number else st._replace(st_mode=stat.S_IFDIR)
        rows += wire.ENTRY_STAT.pack(min(number, 1), len(name), 0, *st) + name.encode()
        records += RECORD.pack(number, flags) + found
        records += text_of(b"a") if flags & FURTHER else b""
        other = json.dumps([OTHER_STAT, [[], "", 0, "", ""]]).encode()
        records += text_of(other) if flags & OTHER else b""
    frames = [(START, b"{}"), (wire.LIST, zlib.compress(rows)), (SAVED, records), (END, b"{}")]
    path = tmp_path / "manifest"
    path.write_bytes(b"".join(wire.HEAD.pack(kind, len(text)) + text for kind, text in frames))
    return str(path)


@pytest.mark.parametrize(
    ("path", "st", "found"),
    [
        ("srv/a", FILE, ONE),
        ("srv/b", FILE, TWO),
        ("srv/large", FILE._replace(st_size=500), TWO),
        ("srv/a", FILE._replace(st_mode=0o100600, st_mtime_ns=1, st_dev=7), ONE),  # no ctime lies
        ("srv/a", FILE._replace(st_ctime_ns=10**18 + 1), b""),
        ("srv/a", FILE._replace(st_ino=8), b""),
        ("srv/a", FILE._replace(st_size=6), b""),
        ("srv/c", FILE, b""),
        ("srv/bare", FILE._replace(st_size=50), b""),
        ("srv/further", FILE, b""),
        ("srv/other", FILE, b""),  # it was another one when it was read
        ("srv/other", OTHER_STAT, OLD),
    ],
)
def test_a_sum_stays_with_a_file_that_is_the_same(
    manifest: str, path: str, st: Stat, found: bytes
) -> None:
    earlier = Earlier(manifest, 100)
    earlier.see(1, "srv/b", FILE)
    assert earlier.see(7, path, st) == found
    assert [earlier.of(number) for number in (0, 1, 6, 7, 8)] == [b"", TWO, b"", found, b""]


def test_how_much_there_is_to_hash(manifest: str) -> None:
    earlier = Earlier(manifest, 100)
    assert (earlier.bytes, earlier.bare) == (5 + 50 + 5 + 6, 50)


def test_without_an_earlier_one() -> None:
    earlier: Any = Earlier(None, 100)
    assert (earlier.see(0, "srv/a", FILE), earlier.of(0), earlier.bytes) == (b"", b"", 0)
