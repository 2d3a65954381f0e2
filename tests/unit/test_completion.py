"""Shell completion works, without a shell to set it up."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

BORGPULL = Path(sys.executable).with_name("borgpull")


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("borgpull ss", "sshfs"),
        ("borgpull sshfs --lock", "--lock-wait"),
        ("borgpull render s", "seccomp"),
    ],
)
def test_bash(words: str, expected: str) -> None:
    env = {
        **os.environ,
        "_BORGPULL_COMPLETE": "complete_bash",
        "COMP_WORDS": words,
        "COMP_CWORD": str(len(words.split()) - 1),
    }
    done = subprocess.run([BORGPULL], env=env, capture_output=True, text=True, check=False)
    assert expected in done.stdout.split()
