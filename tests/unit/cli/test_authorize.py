"""What `authorize` leaves out by itself, it tells: no run of that key can."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from typer.testing import CliRunner

from borgpull.cli.app import app


@pytest.mark.parametrize(
    ("words", "left_out"),
    [
        ([], "/proc, /sys, /dev, /run"),
        (["/", "/run/app"], "/proc, /sys, /dev"),
        (["/etc", "/run/app"], ""),
        (["/", "--exclude", "pp:/proc"], ""),
    ],
)
def test_the_usual_places_are_told(tmp_path: Path, words: list[str], left_out: str) -> None:
    key = tmp_path / "key"
    make = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)]
    subprocess.run(make, check=True, timeout=30)
    options = ["--client-borg", "/usr/bin/borg", "--ssh-key", str(key)]
    done = CliRunner().invoke(app, ["authorize", "web1", *words, *options])
    assert done.exit_code == 0, done.output
    assert done.stdout.startswith("restrict,"), "the line alone, for a file"
    told = [line for line in done.stderr.splitlines() if "left out by this line" in line]
    assert len(told) == bool(left_out) and (not told or f": {left_out};" in told[0]), told
    assert ("pp:/run" in done.stdout) == ("/run" in left_out), "a named path is not left out"
