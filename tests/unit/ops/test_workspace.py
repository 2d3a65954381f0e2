"""The private folder of a job: gone with the job, or with the next one."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

from borgpull.ops.workspace import PRIVATE_PREFIX, private_folder

_HOLD = """
import sys, time
from borgpull.ops.workspace import private_folder
with private_folder((sys.argv[1],)) as folder:
    (folder / "ssh_key").write_text("secret")
    print(folder, flush=True)
    time.sleep(60)
"""


def held(place: Path) -> tuple[subprocess.Popen[str], Path]:
    argv = [sys.executable, "-c", _HOLD, str(place)]
    child = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    with child.stdout as said:
        return child, Path(said.readline().strip())


def test_what_a_killed_job_left_goes_with_the_next(tmp_path: Path) -> None:
    (tmp_path / f"{PRIVATE_PREFIX}starting").mkdir()  # it has no lock yet
    killed, left = held(tmp_path)
    running, kept = held(tmp_path)
    try:
        killed.send_signal(signal.SIGKILL)
        killed.wait(10)
        assert (left / "ssh_key").exists()
        with private_folder((str(tmp_path),)) as mine:
            assert not left.exists()
            assert (kept / "ssh_key").exists()
            assert mine.stat().st_mode & 0o777 == 0o700
            assert mine.stat().st_uid == os.geteuid()
        assert not mine.exists()
    finally:
        running.terminate()
        running.wait(10)
