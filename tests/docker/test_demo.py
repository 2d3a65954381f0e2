"""`make demo` says what it did and leaves nothing; the compose files are sound."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.support.lab import ROOT, docker

pytestmark = pytest.mark.docker


def test_the_demo() -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "scripts" / "demo.py"],
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    for text in ("0 bytes read again", "alice", "not carried: hard links", "byte for byte"):
        assert text in done.stdout
    assert not docker("ps", "-aq", "--filter", "name=borgpull-demo").strip()
    assert not docker("network", "ls", "-q", "--filter", "name=borgpull-demo").strip()
    assert not [*Path("/tmp").glob("borgpull-demo-*")]


def test_the_compose_example(tmp_path: Path) -> None:
    """It is what the README's line is, and compose accepts it."""
    file = ROOT / "compose" / "backup.yaml"
    service = yaml.safe_load(file.read_text())["services"]["backup"]
    assert "privileged" not in service
    assert "cap_add" not in service
    config = docker("compose", "--project-directory", str(tmp_path), "-f", str(file), "config")
    assert "/dev/fuse" in config
