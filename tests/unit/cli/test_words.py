"""Words from a file: what a shard's pod runs, by the real command."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from borgpull import __version__

BORGPULL = Path(sys.executable).with_name("borgpull")


def run(path: Path) -> subprocess.CompletedProcess[str]:
    argv = [str(BORGPULL), "words", str(path)]
    environment = {**os.environ, "COLUMNS": "200"}
    return subprocess.run(argv, capture_output=True, text=True, check=False, env=environment)


def test_the_words_are_those_of_a_command_line(tmp_path: Path) -> None:
    path = tmp_path / "0"
    path.write_text(json.dumps(["--version"]))
    assert run(path).stdout.strip() == __version__
    path.write_text(json.dumps(["authorize", "a b$(X)"]))
    done = run(path)
    assert done.returncode == 11 and "'a b$(X)'" in done.stderr


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '"list"', "[1]", '["words", "x"]', "[[", b"\xff", None]
)
def test_what_is_no_list_of_words(tmp_path: Path, text: str | bytes | None) -> None:
    path = tmp_path / "0"
    if text is not None:
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
    done = run(path)
    assert done.returncode == 10
    assert str(path) in done.stderr and "Traceback" not in done.stderr
