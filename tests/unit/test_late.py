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


def imported(verb: str) -> set[str]:
    argv = [sys.executable, "-c", _SHOW, verb]
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
