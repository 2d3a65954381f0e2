"""Borgs that wait: a line has them run, and without one they end."""

from __future__ import annotations

import sys

import pytest

from borgpull.borg import spares
from borgpull.borg.spares import Spares

# Does what the waiting borg does, with a program that is on every machine.
ECHO = """
import json, sys
if line := sys.stdin.readline():
    print(json.loads(line))
    print("to the log", file=sys.stderr)
    sys.exit(5)
"""


def test_a_spare_runs_what_it_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spares, "WAITING", (sys.executable, "-c", ECHO))
    with Spares() as some:
        assert some.run(["borg", "list"], 10) is None
        some.start(1, {}, None)
        done = some.run(["borg", "list", "a\nb"], 10)
        assert done is not None
        assert done.returncode == 5
        assert done.stdout == b"['borg', 'list', 'a\\nb']\n"
        assert done.stderr == "to the log\n"
        assert some.run(["borg", "list"], 10) is None
        some.start(1, {}, None)
        (left,) = some._waiting
        assert left.popen.poll() is None
    assert left.popen.poll() is not None
