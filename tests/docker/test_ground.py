"""The ground script: does nothing where all is there, and readies a bare Debian."""

from __future__ import annotations

import subprocess
import time

import pytest

from tests.support.lab import ROOT, docker

pytestmark = [pytest.mark.docker, pytest.mark.timeout(900)]

BASE = "debian:trixie-slim"
# An engine inside a container: no --privileged, which not every machine can give.
NESTED = [
    *("--cap-add", "SYS_ADMIN", "--cap-add", "NET_ADMIN", "--device", "/dev/fuse"),
    *("--security-opt", "seccomp=unconfined", "--security-opt", "apparmor=unconfined"),
]


def test_a_second_run_does_nothing_and_is_quick() -> None:
    started = time.monotonic()
    done = subprocess.run(
        [str(ROOT / "scripts" / "ground")], capture_output=True, text=True, timeout=300, check=True
    )
    assert time.monotonic() - started < 10
    lines = done.stdout.splitlines()
    assert lines[-1] == "ground: ready"
    for word in ("installing", "starting", "unpacking", "pulling", "making"):
        assert word not in done.stdout


def test_a_bare_debian_gets_everything() -> None:
    """Packages, an engine of its own, plugins and the base image, from nothing but minbase."""
    script = "cp -r /src/scripts /tmp/ && /tmp/scripts/ground && docker image inspect " + BASE
    out = docker(
        *("run", "--rm", *NESTED, "-v", f"{ROOT}:/src:ro", "-v", "/var/lib/docker"),
        *(BASE, "sh", "-c", script),
        timeout=800,
    )
    assert "ground: ready" in out
    assert "installing docker.io" in out
    assert BASE in out
