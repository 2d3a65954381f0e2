"""The comparison of an archive's listing with a tree."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from borgpull.methods.comparison import is_cut
from borgpull.sidecar.compare import Record, as_listed, compare, find_folders, reads_short, records

TIME = "2020-09-13T12:26:40.000000"
STARTED = 1_700_000_000.0


@pytest.fixture
def tree(tmp_path: Path) -> Iterator[Path]:
    before = Path.cwd()
    os.chdir(tmp_path)
    yield tmp_path
    os.chdir(before)


def file(path: str | bytes, size: int) -> None:
    folder = os.path.dirname(path)
    if folder:
        os.makedirs(folder, exist_ok=True)
    with open(path, "wb") as target:
        target.write(bytes(size))


def regular(path: str, size: int) -> Record:
    return ("-", size, TIME, path)


def test_records_across_blocks() -> None:
    data = b"-\t12\t" + TIME.encode() + b"\ta\tb\nc\0d\t0\t" + TIME.encode() + b"\tx\0"
    for step in (1, 7, 1000):
        blocks = (data[i : i + step] for i in range(0, len(data), step))
        assert list(records(blocks)) == [("-", 12, TIME, "a\tb\nc"), ("d", 0, TIME, "x")]
    with pytest.raises(SystemExit):
        list(records([data[:-1]]))


@pytest.mark.usefixtures("tree")
def test_same_different_and_gone() -> None:
    file("etc/same", 5)
    file("etc/longer", 9)
    file("top", 1)
    items = [
        regular("etc/same", 5),
        regular("etc/longer", 4),
        regular("etc/gone", 1),
        regular("top", 1),
    ]
    *differing, counts = compare([*items, ("l", 0, TIME, "etc/link")], read=False)
    assert [(entry["path"], entry["archived"], entry["now"]) for entry in differing] == [
        ("etc/longer", 4, 9),
        ("etc/gone", 1, None),
    ]
    assert counts == {"counts": {"-": 4, "l": 1}, "bytes": 11}


@pytest.mark.usefixtures("tree")
def test_names_that_are_no_text() -> None:
    """borg's listing has a question mark for each such byte: files and folders are found again."""
    file(b"na\xffmes/a\xfeb", 3)
    file(b"na\xfdmes/a\xfeb", 4)
    assert sorted(find_folders("na?mes")) == ["./na\udcfdmes", "./na\udcffmes"]
    assert as_listed("a\udcfeb") == "a?b"
    items = [regular("na?mes/a?b", 3), regular("na?mes/a?b", 4)]
    assert [*compare(items, read=False)][:-1] == []
    (entry, _) = compare([regular("na?mes/a?b", 5)], read=False)
    assert entry["archived"] == 5


@pytest.mark.usefixtures("tree")
def test_reading_to_the_end() -> None:
    file("x", 10)
    assert not reads_short("x", 10)
    assert reads_short("x", 11)
    assert reads_short("gone", 0)
    os.symlink("x", "link")
    assert reads_short("link", 10), "a link is never followed"


def test_what_counts_as_cut() -> None:
    entry = {"archived": 3, "now": 8, "mtime": TIME, "now_mtime": 1_600_000_000}
    assert is_cut(entry, STARTED)
    assert not is_cut({**entry, "now_mtime": 1_600_000_001}, STARTED), "changed since"
    assert is_cut({**entry, "now_mtime": 1_600_000_001, "unreadable": True}, STARTED)
    assert not is_cut({**entry, "now": None}, STARTED)
    assert not is_cut({**entry, "archived": 9}, STARTED), "the file was truncated on the client"
    fresh = {**entry, "mtime": "2023-11-14T22:13:20.000000", "now_mtime": 1_700_000_000}
    assert not is_cut(fresh, STARTED), "written in the second of the run itself"
