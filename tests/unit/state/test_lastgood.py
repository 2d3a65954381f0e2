"""When something was last good: replaced in one step, and never more than is known."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from borgpull.errors import ConfigError
from borgpull.state import lastgood


@pytest.fixture
def state(tmp_path: Path) -> Path:
    (tmp_path / "clients" / "a").mkdir(parents=True)
    return tmp_path


def test_each_is_recorded_beside_the_other(state: Path) -> None:
    assert lastgood.read(state, "a") == {}
    lastgood.path_of(state, "a").write_text('{"prune": 5, "other": 1}')
    lastgood.record(state, "a", "check")
    found = lastgood.read(state, "a")
    assert found["prune"] == 5
    assert abs(found["check"] - time.time()) < 60
    assert [path.name for path in (state / "clients" / "a").iterdir()] == ["last-good.json"]


@pytest.mark.parametrize(
    "bad", ["", "[]", "{", '{"check": "5"}', '{"check": -1}', '{"check": true}']
)
def test_what_is_none_of_ours_tells_nothing(state: Path, bad: str) -> None:
    lastgood.path_of(state, "a").write_text(bad)
    assert lastgood.read(state, "a") == {}
    lastgood.record(state, "a", "prune")
    assert json.loads(lastgood.path_of(state, "a").read_text()).keys() == {"prune"}


def test_what_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError):
        lastgood.record(tmp_path, "a", "check")
