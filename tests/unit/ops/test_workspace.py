"""The private folder of a job: gone with the job, or with the next one."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from unittest import mock

import pytest

from borgpull.ops.private import LOCK_NAME, PRIVATE_PREFIX, private_folder, sweep_private

_HOLD = """
import sys, time
from borgpull.ops.private import private_folder
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


def test_a_removal_that_is_killed_goes_on_with_the_next_job(tmp_path: Path) -> None:
    """The lock goes last. What has lost it is empty, and was made a while ago."""
    removed: list[str] = []

    def stop(path: Path, **_: object) -> None:
        removed.append(path.name)
        if path.name.startswith(PRIVATE_PREFIX):
            assert [one.name for one in path.iterdir()] == [LOCK_NAME]
            raise KeyboardInterrupt

    with (
        mock.patch("shutil.rmtree", stop),
        pytest.raises(KeyboardInterrupt),
        private_folder((str(tmp_path),)) as folder,
    ):
        (folder / "a file").touch()
    assert removed == [folder.name]
    sweep_private(tmp_path)
    assert not folder.exists()
    folder.mkdir()
    sweep_private(tmp_path)
    assert folder.exists()
    os.utime(folder, (0, 0))
    sweep_private(tmp_path)
    assert not folder.exists()


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


def test_a_symlink_in_place_of_the_folder_is_not_followed(tmp_path: Path) -> None:
    """A check in another container may write beside the folder, and root's state is near."""
    state, place = tmp_path / "state", tmp_path / "scratch"
    for folder in (state / "clients", place):
        folder.mkdir(parents=True)
    (state / "ledger").touch()
    (state / LOCK_NAME).touch()
    with private_folder((str(place),)) as mine:
        mine.rename(place / "elsewhere")
        mine.symlink_to(state)
    sweep_private(place)
    assert sorted(path.name for path in state.iterdir()) == [LOCK_NAME, "clients", "ledger"]
