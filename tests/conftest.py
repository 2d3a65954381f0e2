"""What every test has: the laboratory, and no docker test that is skipped in CI."""

from __future__ import annotations

import os
import subprocess

import pytest

from tests.support import inputs

# Set by `make record`: run what the inputs would let pass, too, and record what it passed with.
RECORDING = bool(os.environ.get("BORGPULL_TEST_RECORD"))
_passing: dict[str, str] = {}


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
    _leave_out_the_unchanged(items)
    if os.environ.get("CI") or docker_answers():
        return
    for item in items:
        if item.get_closest_marker("docker"):
            item.add_marker(pytest.mark.skip(reason="no Docker engine answers"))


def _file(nodeid: str) -> str:
    return nodeid.partition("::")[0]


def _leave_out_the_unchanged(items: list[pytest.Item]) -> None:
    known = inputs.recorded()
    for item in items:
        marker = item.get_closest_marker("inputs")
        if marker is None:
            continue
        file = _file(item.nodeid)
        now = _passing.get(file) or inputs.digest([*marker.args, file])
        if RECORDING:
            _passing[file] = now
        elif known.get(file) == now:
            reason = "passed with these very inputs; `make record` runs it all the same"
            item.add_marker(pytest.mark.skip(reason=reason))


def pytest_deselected(items: list[pytest.Item]) -> None:
    """Of a file that is not run whole, nothing is recorded."""
    for item in items:
        if item.get_closest_marker("inputs"):
            _passing.pop(_file(item.nodeid), None)


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    if not report.passed:
        _passing.pop(_file(report.nodeid), None)


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Whole files only, in one process, that have passed."""
    config = session.config
    parts = hasattr(config, "workerinput") or any("::" in word for word in config.args)
    if RECORDING and exitstatus == 0 and not parts:
        inputs.record(_passing)
