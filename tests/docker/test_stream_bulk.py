"""Small contents that are stored together, and borg's own way with the same ones."""

from __future__ import annotations

from typing import Any

import pytest

from tests.docker.test_stream_engine import case
from tests.support import engine_bulk

pytestmark = [pytest.mark.docker, pytest.mark.timeout(120)]
PROGRAM = engine_bulk.__name__


def test_repository_cache_and_statistics_are_those_of_borg_to_the_last_byte() -> None:
    """Over several segments, with chunks that are known, that come twice, or are put once more."""
    found = case("same", PROGRAM)
    assert len(found) == len(engine_bulk.KINDS)
    for name, one in found.items():
        assert (one["differs"], one["unreadable"]) == ([], 0), (name, one)
        assert one["segments"] > 15, (name, one)


def test_what_was_stored_before_an_exception_counts_as_with_borg() -> None:
    assert case("broken", PROGRAM) == {"differs": [], "unreadable": 0}


def test_on_a_full_disk_the_index_has_nothing_that_was_not_written() -> None:
    found = case("full", PROGRAM)
    index, cache = found.pop("more")
    assert index == cache < 70
    assert found == {
        "error": "File too large",
        "written": True,  # a part of it
        "unreadable": 0,
        "committed": "File too large",  # this is why not
        "archives": ["old"],
        "check": 0,
    }


def test_another_kind_of_key_or_repository_goes_the_usual_way() -> None:
    found: dict[str, Any] = case("kinds", PROGRAM)
    together = [name for name, is_so in found.items() if is_so]
    assert together == [*engine_bulk.KINDS]
    assert len(found) == len(together) + 6


def test_new_files_of_a_run_are_stored_together() -> None:
    assert case("engine", PROGRAM) == {"code": 0, "together": 419, "same": True, "check": 0}
