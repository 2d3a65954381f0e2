"""Many rounds by `make soak`, few by `make test`; and each test is in one of both."""

from __future__ import annotations

import shlex
import subprocess

import pytest

from tests.support.inputs import ROOT
from tests.support.rounds import VARIABLE, rounds


@pytest.mark.parametrize(
    ("said", "number"), [("", 3), ("few", 3), ("many", 100), ("7", 7), ("1", 1)]
)
def test_how_many(monkeypatch: pytest.MonkeyPatch, said: str, number: int) -> None:
    monkeypatch.setenv(VARIABLE, said)
    assert rounds(few=3, many=100) == number


@pytest.mark.parametrize("said", ["0", "-1", "some", "1.5"])
def test_what_is_no_number_of_rounds_runs_nothing(
    monkeypatch: pytest.MonkeyPatch, said: str
) -> None:
    monkeypatch.setenv(VARIABLE, said)
    with pytest.raises(ValueError):
        rounds(few=3, many=100)


def recipe(target: str) -> tuple[str, list[str]]:
    """The line of a target that calls pytest, and its words."""
    argv = ["make", "--dry-run", "--no-print-directory", target]
    text = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=True, timeout=30)
    lines = text.stdout.replace("\\\n", "").splitlines()
    line = next(line for line in lines if "-m pytest" in line)
    return line, shlex.split(line.partition("-m pytest")[2])


def test_what_make_test_leaves_out_make_soak_runs() -> None:
    _, words = recipe("test")
    assert words[words.index("-m") + 1] == "not soak"
    line, words = recipe("soak")
    assert words[words.index("-m") + 1] == "rounds or soak"
    # A docker test without Docker fails then.
    assert line.startswith(f"CI=true {VARIABLE}=many ")
