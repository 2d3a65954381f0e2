"""Tests that run only when their inputs have changed: what counts as a change."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support import inputs


def test_every_change_of_an_input_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inputs, "ROOT", tmp_path)
    (tmp_path / "folder" / "sub").mkdir(parents=True)
    file = tmp_path / "folder" / "sub" / "script"
    file.write_text("one")
    (tmp_path / "test").write_text("a test")
    paths = ("folder", "test")
    seen = [inputs.digest(paths)]
    assert inputs.digest(reversed(paths)) == seen[0]

    def changed() -> bool:
        seen.append(inputs.digest(paths))
        return seen[-1] not in seen[:-1]

    file.write_text("two")
    assert changed()
    file.chmod(0o755)
    assert changed()
    file.rename(file.with_name("other"))
    assert changed()
    (tmp_path / "test").write_text("another test")
    assert changed()
    (tmp_path / "elsewhere").write_text("no input")
    assert not changed()


def test_what_another_file_passed_with_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inputs, "RECORD", tmp_path / "passed.json")
    assert inputs.recorded() == {}
    inputs.record({"a": "1", "b": "2"})
    inputs.record({"b": "3"})
    assert inputs.recorded() == {"a": "1", "b": "3"}
