"""A start imports the modules of its verb, and no other's."""

from __future__ import annotations

import subprocess
import sys

import pytest

_SHOW = """
import sys
from borgpull import ops
ops.OPS[sys.argv[1]]
print(*(name for name in sys.modules if name.startswith("borgpull.")))
"""


_SHOW_COMMAND = """
import sys
from borgpull.cli.app import made
made(sys.argv[1])
print(*(name for name in sys.modules if name.startswith("borgpull.")))
"""


def imported(verb: str, program: str = _SHOW) -> set[str]:
    argv = [sys.executable, "-c", program, verb]
    done = subprocess.run(argv, capture_output=True, text=True, check=True, timeout=30)
    return set(done.stdout.split())


@pytest.mark.parametrize(
    ("verb", "own", "others"),
    [
        ("list", "borgpull.ops.repository", ("borgpull.ops.backup", "borgpull.restores.native")),
        # A backup begins to connect before the rest is there.
        ("pipe", "borgpull.ops.beginning", ("borgpull.ops.backup", "borgpull.ops.restore")),
    ],
)
def test_a_verb_imports_its_own_modules(verb: str, own: str, others: tuple[str, ...]) -> None:
    found = imported(verb)
    assert own in found
    assert not found & set(others)


_SHOW_EARLY = """
import sys
sys.path = sys.argv[2:]
from borgpull.cli import early, entry, keeper, somebody
print(*sys.modules)
"""


def test_an_engine_is_started_before_what_takes_long_to_load() -> None:
    # Without the modules of a virtual environment's start.
    argv = [sys.executable, "-I", "-S", "-c", _SHOW_EARLY, "", *sys.path]
    done = subprocess.run(argv, capture_output=True, text=True, check=True, timeout=30)
    found = set(done.stdout.split())
    assert "borgpull.borg.loading" in found
    assert not found & {"dataclasses", "pathlib", "json", "borgpull.errors"}


def test_the_command_of_a_backup_makes_no_kinds_of_other_jobs() -> None:
    found = imported("stream", _SHOW_COMMAND)
    assert "borgpull.jobs.base" in found
    assert not found & {"borgpull.jobs.kinds", "borgpull.jobs.drilling"}
