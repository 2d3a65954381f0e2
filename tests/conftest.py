"""What every test has: the laboratory, and no docker test that is skipped in CI."""

from __future__ import annotations

import os
import subprocess
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import inputs, weights
from tests.support.weights import file_of

# Set by `make record`: run what the inputs would let pass, too, and record what it passed with.
RECORDING = bool(os.environ.get("BORGPULL_TEST_RECORD"))
_passing: dict[str, str] = {}
# Write how long each file took.
WEIGHING = bool(os.environ.get("BORGPULL_TEST_WEIGHTS"))
_seconds: defaultdict[str, float] = defaultdict(float)


def docker_answers() -> bool:
    argv = ["docker", "version", "--format", "{{.Server.Version}}"]
    try:
        return subprocess.run(argv, capture_output=True, timeout=30, check=False).returncode == 0
    except OSError:
        return False


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Unit tests go first, then long files: no worker is to be left with one at the end.

    Without Docker its tests are skipped, but not in CI: there they fail.
    """
    known = weights.recorded()

    def place(item: pytest.Item) -> float:
        docker = item.get_closest_marker("docker") is not None
        return weights.key(file_of(item.nodeid), known, docker=docker)

    items.sort(key=place)
    _leave_out_the_unchanged(items)
    if os.environ.get("CI") or docker_answers():
        return
    for item in items:
        if item.get_closest_marker("docker"):
            item.add_marker(pytest.mark.skip(reason="no Docker engine answers"))


def _leave_out_the_unchanged(items: list[pytest.Item]) -> None:
    known = inputs.recorded()
    for item in items:
        marker = item.get_closest_marker("inputs")
        if marker is None:
            continue
        file = file_of(item.nodeid)
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
            _passing.pop(file_of(item.nodeid), None)


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    _seconds[file_of(report.nodeid)] += report.duration
    if not report.passed:
        _passing.pop(file_of(report.nodeid), None)


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Whole files only, in one process, that have passed."""
    config = session.config
    if WEIGHING and not hasattr(config, "workerinput"):
        weights.record(_seconds)
    parts = hasattr(config, "workerinput") or any("::" in word for word in config.args)
    if RECORDING and exitstatus == 0 and not parts:
        inputs.record(_passing)


@pytest.fixture(scope="session", autouse=True)
def _users() -> Iterator[None]:
    """Tests run as root: none may change who this machine knows."""
    before = {path: path.read_bytes() for path in map(Path, ("/etc/passwd", "/etc/group"))}
    yield
    changed = [str(path) for path, text in before.items() if path.read_bytes() != text]
    assert not changed, f"a test has changed {changed}"
