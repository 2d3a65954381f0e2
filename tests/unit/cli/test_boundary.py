"""How commands end: one line, one hint, one code; 1 for a bug and nothing else."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from borgpull.borg.messages import from_exit
from borgpull.cli.boundary import Doing, boundary
from borgpull.cli.screen import Screen
from borgpull.errors import BorgpullError, DiskFull, StorageFailed, of_storage
from borgpull.outputs.hosts import Check
from borgpull.places import Places
from borgpull.results import Result

BORGPULL = Path(sys.executable).with_name("borgpull")


def code_of(error: BaseException, places: Places | None = None) -> int:
    with (
        pytest.raises(SystemExit) as found,
        boundary(Screen(json_lines=False, verbose=False), Doing("list", "web1", places)),
    ):
        raise error
    return int(str(found.value.code))


def test_a_failing_file_system_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    places = Places(repo=str(tmp_path / "repo"), state=str(tmp_path / "state"))
    file = f"{places.state}/clients/web1/ledger.jsonl"
    for number in (errno.ENOTCONN, errno.EIO, errno.ESTALE, errno.EROFS):
        assert code_of(OSError(number, os.strerror(number), file), places) == 54
        assert f"the file system of {places.state} fails: {os.strerror(number)}" in (
            capsys.readouterr().err
        )
    assert code_of(OSError(errno.ENOSPC, "full", file), places) == DiskFull.exit_code


def test_other_errors_of_the_system_are_bugs(tmp_path: Path) -> None:
    places = Places(repo=str(tmp_path), state=str(tmp_path))
    assert code_of(OSError(errno.EIO, "x", "/elsewhere"), places) == 1
    assert code_of(OSError(errno.EBADF, "x", f"{tmp_path}/x"), places) == 1
    assert code_of(KeyError("x")) == 1
    assert of_storage(OSError(errno.EACCES, "x"), "/repo") is None


def test_borg_s_own_words_of_a_failing_file_system() -> None:
    text = "OSError: [Errno 107] Transport endpoint is not connected: '/repo/web1/config'"
    assert isinstance(from_exit(2, text, "web1"), StorageFailed)


@pytest.mark.parametrize(
    "words", [["render", "seccomp"], ["version"], ["--help"], ["pipe", "-h"], []]
)
def test_a_closed_output_is_no_error(words: list[str]) -> None:
    """As with `| head`: the shell's code for SIGPIPE, and not a word."""
    reader, writer = os.pipe()
    os.close(reader)
    try:
        argv = [str(BORGPULL), *words]
        done = subprocess.run(argv, stdout=writer, stderr=subprocess.PIPE, check=False)
    finally:
        os.close(writer)
    assert (done.returncode, done.stderr) == (141, b"")


def test_a_wrong_name_is_told_by_every_command() -> None:
    for words in (["render", "socket", "../x"], ["authorize", "../x"]):
        done = subprocess.run([BORGPULL, *words], capture_output=True, text=True, check=False)
        assert done.returncode == 11, done.stderr
        assert done.stderr.startswith("borgpull: error: ") and "Traceback" not in done.stderr


def test_a_failed_check_has_a_code_of_its_own() -> None:
    good: Check = {"name": "fuse", "ok": True, "text": "", "hint": ""}
    result = Result(verb="doctor").checked(good)
    assert result.ok and result.exit_code == 0
    failed = result.checked({**good, "name": "engine", "ok": False})
    assert (failed.ok, failed.exit_code) == (False, 53)
    assert [check["name"] for check in failed.data["checks"]] == ["engine", "fuse"]
    assert failed.failure is not None and "engine" in failed.failure.message
    assert BorgpullError.exit_code == 1
