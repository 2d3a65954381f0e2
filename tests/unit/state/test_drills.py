"""The records of drills: what one leaves that is killed while it keeps its record."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from borgpull.state import drills, files
from tests.support.reports import report

WRITES = ("proved", "json")


class Killed(BaseException):
    pass


def names(state: Path) -> list[str]:
    return sorted(path.name for path in drills.folder_of(state, "web").iterdir())


def drill(state: Path) -> int:
    number = drills.begin(state, "web")
    found = report()
    found["number"], found["outcome"] = number, "pass"
    drills.keep(state, "web", found, b"12345678")
    return number


@pytest.mark.parametrize("half", [False, True])
@pytest.mark.parametrize("last", WRITES)
def test_what_a_killed_one_has_left_goes_with_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, last: str, *, half: bool
) -> None:
    """Killed at its write of such a file, before it or in its midst."""
    (tmp_path / "clients/web").mkdir(parents=True)
    replace = files.replace

    def killed(path: Path, content: bytes, **more: Any) -> None:
        if path.suffix == f".{last}" and path.name != "stamps.json":
            if half:
                path.with_name(f"{path.name}.new").write_bytes(content)
            raise Killed
        replace(path, content, **more)

    assert drill(tmp_path) == 1
    with monkeypatch.context() as patched, pytest.raises(Killed):
        patched.setattr(files, "replace", killed)
        drill(tmp_path)
    assert drill(tmp_path) == 3
    kept = [f"0000000{number}.{suffix}" for number in (1, 3) for suffix in sorted(WRITES)]
    assert names(tmp_path) == [*kept, "stamps.json"]
