"""Borgs that wait: a line has them run, and without one they end."""

from __future__ import annotations

import sys
from pathlib import Path

from borgpull.borg.spares import Spares

# Does what the waiting borg does, with a program that is on every machine.
ECHO = """
import json, sys
if line := sys.stdin.readline():
    print(json.loads(line))
    print("to the log", file=sys.stderr)
    sys.exit(5)
"""
HERE = """, sys, json
print(os.getcwd(), flush=True)
print(json.loads(sys.stdin.readline()))
"""


def test_a_spare_runs_what_it_is_told() -> None:
    with Spares(program=(sys.executable, "-c", ECHO)) as some:
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


def test_a_spare_that_has_begun_is_heard_while_it_runs(tmp_path: Path) -> None:
    """It is where the program before its words has put it."""
    program = (sys.executable, "-c", f"import os{HERE}")
    with Spares(("env", "-C", str(tmp_path)), program) as some:
        assert some.begin(["borg", "extract"]) is None
        some.start(1, {}, None)
        child = some.begin(["borg", "extract"])
        assert child is not None
        said = [item[1] for item in child.lines() if item is not None]
        assert said == [f"{tmp_path}\n".encode(), b"['borg', 'extract']\n"]
        assert child.wait(10) == 0
