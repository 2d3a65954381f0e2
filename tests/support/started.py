"""What a test has started ends with it: else another test of the same worker pays for it.

A process that nobody has waited for is a warning, in the test that the garbage collector comes by.
"""

from __future__ import annotations

import subprocess
from collections.abc import Generator
from dataclasses import dataclass
from os import PathLike
from subprocess import list2cmdline
from typing import Any, TypeVar

import pytest

PATIENCE = 60.0  # seconds that a command gets to end what it has started
GRACE = 2.0  # seconds for one that was told to end already
P = TypeVar("P", bound="subprocess.Popen[Any]")


@dataclass(frozen=True)
class Started:
    popen: subprocess.Popen[Any]
    container: str

    def is_under_way(self) -> bool:
        try:
            self.popen.wait(GRACE)
        except subprocess.TimeoutExpired:
            return True
        return False

    def words(self) -> str:
        args = self.popen.args
        return str(args) if isinstance(args, str | bytes | PathLike) else list2cmdline(args)

    def end(self) -> None:
        """Its container goes at once, the command itself as it does by SIGTERM."""
        if self.container:
            words = ["docker", "rm", "-f", "-v", self.container]
            subprocess.run(words, capture_output=True, timeout=PATIENCE, check=False)
        self.popen.terminate()
        try:
            self.popen.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.popen.kill()
            self.popen.wait(PATIENCE)
        for pipe in (self.popen.stdin, self.popen.stdout, self.popen.stderr):
            if pipe is not None:
                pipe.close()


_started: list[Started] = []


def ends_with_the_test(popen: P, container: str = "") -> P:
    """Remember what a test starts; `container` is the name of one that belongs to it."""
    _started.append(Started(popen, container))
    return popen


def end_what_is_left() -> list[str]:
    """The commands that were under way. Those that had ended are waited for by that."""
    left = [one for one in _started if one.is_under_way()]
    _started.clear()
    for one in left:
        one.end()
    return [one.words() for one in left]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, Any, Any]:
    """A test that passes has to end by itself what it has started."""
    try:
        result = yield
    except BaseException:
        end_what_is_left()
        raise
    left = end_what_is_left()
    assert not left, f"{item.name} has left under way: {left}"
    return result


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown() -> Generator[None, Any, Any]:
    """What a fixture has started that failed: its test was never called."""
    end_what_is_left()
    return (yield)
