"""borg's self-test: when it runs, and whose word counts that it did."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace

import pytest

from borgpull.borg.inside import selftest


def ran(folder: Path) -> int:
    """How many tests run at a start."""
    calls: list[object] = []
    archiver = SimpleNamespace(selftest=calls.append)
    selftest.once(archiver, folder)
    archiver.selftest(None)  # borg's own call
    return len(calls)


def test_it_runs_once(tmp_path: Path) -> None:
    assert [ran(tmp_path) for _ in range(3)] == [1, 0, 0]
    assert [path.name for path in tmp_path.iterdir()] == [selftest.NAME]


def test_another_boot_tests_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ran(tmp_path)
    (tmp_path / "boot").write_text("another\n")
    monkeypatch.setattr(selftest, "BOOT", tmp_path / "boot")
    assert [ran(tmp_path) for _ in range(2)] == [1, 0]


def test_another_library_tests_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    library, maps = tmp_path / "lib.so.3", tmp_path / "maps"
    library.write_bytes(b"one")
    maps.write_text(f"7f00-7f01 r-xp 00000000 fe:00 42    {library}\n7f02-7f03 rw-p 0 00:00 0\n")
    monkeypatch.setattr(selftest, "MAPS", maps)
    assert [ran(tmp_path) for _ in range(2)] == [1, 0]
    library.write_bytes(b"another")
    assert [ran(tmp_path) for _ in range(2)] == [1, 0]
    library.unlink()
    assert [ran(tmp_path) for _ in range(2)] == [1, 0]


def test_a_machine_that_tells_no_boot_tests_each_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(selftest, "BOOT", tmp_path / "none")
    assert [ran(tmp_path) for _ in range(2)] == [1, 1]


def test_a_test_that_fails_leaves_no_mark(tmp_path: Path) -> None:
    def fails(_logger: object) -> None:
        raise SystemExit(2)

    with pytest.raises(SystemExit):
        selftest.once(SimpleNamespace(selftest=fails), tmp_path)
    assert not [*tmp_path.iterdir()]


@pytest.mark.parametrize("kind", ["bytes", "fifo", "folder", "symlink", "long"])
def test_whatever_is_in_the_place_of_the_mark_is_no_mark(tmp_path: Path, kind: str) -> None:
    state, place = tmp_path / "state", tmp_path / "state" / selftest.NAME
    state.mkdir()
    (tmp_path / "other").write_text("kept")
    if kind == "bytes":
        place.write_bytes(b"\xff\xfe")
    elif kind == "fifo":
        os.mkfifo(place)
    elif kind == "folder":
        place.mkdir()
    elif kind == "symlink":
        place.symlink_to(tmp_path / "other")
    else:
        place.write_bytes(bytes(1 << 20))
    again = 1 if kind == "folder" else 0  # nothing can take its place
    assert [ran(state) for _ in range(2)] == [1, again]
    assert (tmp_path / "other").read_text() == "kept"
    assert [path.name for path in state.iterdir()] == [selftest.NAME]


def test_a_state_that_cannot_be_written_is_no_obstacle(tmp_path: Path) -> None:
    assert ran(tmp_path / "none") == 1
