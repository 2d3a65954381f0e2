"""What every test has: the laboratory, and no docker test that is skipped in CI."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.lab import Lab


def docker_answers() -> bool:
    argv = ["docker", "version", "--format", "{{.Server.Version}}"]
    try:
        return subprocess.run(argv, capture_output=True, timeout=30, check=False).returncode == 0
    except OSError:
        return False


def time_limit(item: pytest.Item) -> float:
    """A file's own limit, which tells how long it may well take; unit tests come before all."""
    if not item.get_closest_marker("docker"):
        return float("inf")
    marker = item.get_closest_marker("timeout")
    return float(marker.args[0]) if marker else 0.0


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Long files go first: of several workers, none is to be left with one at the end.

    Without Docker its tests are skipped, but not in CI: there they fail.
    """
    items.sort(key=time_limit, reverse=True)
    if os.environ.get("CI") or docker_answers():
        return
    for item in items:
        if item.get_closest_marker("docker"):
            item.add_marker(pytest.mark.skip(reason="no Docker engine answers"))


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    with Lab(tmp_path / "lab") as made:
        yield made
