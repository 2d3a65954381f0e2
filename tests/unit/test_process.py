"""How programs are run."""

from __future__ import annotations

import subprocess
import sys

SCRIPT = """
import os, sys
from borgpull import process
process.as_batch()
words = [sys.executable, "-c", "import os; print(os.sched_getscheduler(0))"]
print(process.run(words, timeout=60).stdout.decode().strip(), os.SCHED_BATCH)
"""


def test_what_a_batch_process_starts_is_one_too() -> None:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True, timeout=60
    )
    policy, batch = done.stdout.split()
    assert policy == batch
