"""Words from a file: what a shard's pod runs, by the real command."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

BORGPULL = Path(sys.executable).with_name("borgpull")


def run(path: Path, **more: str) -> subprocess.CompletedProcess[str]:
    argv = [str(BORGPULL), "words", str(path)]
    environment = {**os.environ, "COLUMNS": "200", **more}
    return subprocess.run(argv, capture_output=True, text=True, check=False, env=environment)


def test_the_words_are_those_of_a_command_line(tmp_path: Path) -> None:
    path = tmp_path / "0"
    path.write_text(json.dumps(["list", "a b$(X)"]))
    done = run(path)
    assert done.returncode == 11 and "'a b$(X)'" in done.stderr


def test_the_result_tells_of_the_command(tmp_path: Path) -> None:
    path = tmp_path / "0"
    path.write_text(json.dumps(["prune", "web1"]))
    done = run(path, BORGPULL_RESULT_FILE=str(tmp_path / "result"))
    told = json.loads((tmp_path / "result").read_text())
    assert (done.returncode, told["exit_code"], told["verb"]) == (2, 2, "prune")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '"list"',
        "[1]",
        '["words", "x"]',
        '["job"]',
        '["--version"]',
        "[[",
        b"\xff",
        None,
    ],
)
def test_what_is_no_list_of_words(tmp_path: Path, text: str | bytes | None) -> None:
    path = tmp_path / "0"
    if text is not None:
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
    done = run(path)
    assert done.returncode == 10
    assert str(path) in done.stderr and "Traceback" not in done.stderr
