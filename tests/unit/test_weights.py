"""Which tests start first: those of unknown length, and then the long ones."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support import weights
from tests.support.inputs import ROOT


def test_long_files_of_docker_tests_come_first_after_the_unit_tests() -> None:
    known = {"short": 3.0, "long": 9.0}
    files = {"short": True, "unit": False, "new": True, "long": True}
    order = sorted(files, key=lambda file: weights.key(file, known, docker=files[file]))
    assert order == ["unit", "new", "long", "short"]


def test_what_was_not_run_keeps_its_weight(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(weights, "RECORD", tmp_path / "weights.json")
    weights.RECORD.write_text(json.dumps({"tests/docker/a": 1.0, "tests/docker/b": 2.0}))
    weights.record({"tests/docker/b": 3.4, "tests/unit/c": 4.0})
    assert weights.recorded() == {"tests/docker/a": 1.0, "tests/docker/b": 3.0}


def test_each_file_that_has_a_weight_is_there() -> None:
    assert [file for file in weights.recorded() if not (ROOT / file).is_file()] == []
