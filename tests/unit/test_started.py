"""A process that a test has left ends with that test, and is nobody else's warning."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.inputs import ROOT
from tests.support.started import end_what_is_left, ends_with_the_test

SLEEPS = [sys.executable, "-c", "import time; print(flush=True); time.sleep(600)"]
# A test that leaves one and fails, one that leaves one and passes, and those that leave none.
TESTS = f"""
import gc, subprocess
import pytest
from tests.support import started
from tests.support.started import ends_with_the_test

started.GRACE = 0.3

def start():
    return ends_with_the_test(subprocess.Popen({SLEEPS}))

@pytest.fixture
def broken():
    start()
    raise ValueError("the fixture's own")

def test_fails():
    start()
    raise ValueError("its own")

def test_passes():
    start()

def test_with_a_fixture(broken):
    pass

def test_ends_it_by_itself():
    start().kill()

def test_is_not_concerned():
    gc.collect()
"""


def test_a_test_that_leaves_a_process_fails_by_itself(tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text(TESTS)
    argv = [sys.executable, "-m", "pytest", "-p", "tests.support.started", "-W", "error"]
    argv += ["-rA", "-p", "no:cacheprovider", "-o", "addopts=", "--rootdir", str(tmp_path)]
    done = subprocess.run(
        [*argv, str(tmp_path)], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    ended = {name: how for how, name in re.findall(r"^([A-Z]+) \S+::(\w+)", done.stdout, re.M)}
    assert ended == {
        "test_fails": "FAILED",
        "test_passes": "FAILED",
        "test_with_a_fixture": "ERROR",
        "test_ends_it_by_itself": "PASSED",
        "test_is_not_concerned": "PASSED",
    }, done.stdout
    assert done.stdout.count("has left under way") >= 1
    assert "ResourceWarning" not in done.stdout + done.stderr


def test_what_has_ended_is_not_left_but_waited_for() -> None:
    with subprocess.Popen(["true"], stdout=subprocess.PIPE) as child:
        ends_with_the_test(child)
        assert child.stdout is not None
        child.stdout.read()
        assert end_what_is_left() == []
        assert child.returncode == 0


@pytest.mark.parametrize("by_sigterm", [True, False])
def test_what_is_left_is_ended_in_any_case(
    monkeypatch: pytest.MonkeyPatch, *, by_sigterm: bool
) -> None:
    monkeypatch.setattr("tests.support.started.GRACE", 0.1)
    monkeypatch.setattr("tests.support.started.PATIENCE", 20 if by_sigterm else 0.2)
    script = "" if by_sigterm else "import signal; signal.signal(15, signal.SIG_IGN);"
    argv = [sys.executable, "-c", script + SLEEPS[-1]]
    child = ends_with_the_test(subprocess.Popen(argv, stdout=subprocess.PIPE))
    assert child.stdout is not None
    child.stdout.readline()
    assert end_what_is_left() == [subprocess.list2cmdline(argv)]
    assert child.returncode == (-15 if by_sigterm else -9)
    assert child.stdout.closed
