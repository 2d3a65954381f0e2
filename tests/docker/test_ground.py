"""The ground script: does nothing where all is there, and readies a bare Debian."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

import pytest

from scripts import build_images
from tests.support.lab import ROOT, docker

pytestmark = [pytest.mark.docker, pytest.mark.timeout(1800)]

# On a bare machine, CI's own first step is the ground script.
BARE = pytest.mark.inputs("scripts/ground")
BASE = "debian:trixie-slim"
# An engine inside a container: no --privileged, which not every machine can give.
NESTED = [
    *("--cap-add", "SYS_ADMIN", "--cap-add", "NET_ADMIN", "--device", "/dev/fuse"),
    *("--security-opt", "seccomp=unconfined", "--security-opt", "apparmor=unconfined"),
]


def test_a_second_run_does_nothing_and_is_quick() -> None:
    started = time.monotonic()
    done = subprocess.run(
        [str(ROOT / "scripts" / "ground")], capture_output=True, text=True, timeout=900, check=True
    )
    assert time.monotonic() - started < 10  # half a second on an idle machine
    lines = done.stdout.splitlines()
    assert lines[-1] == "ground: ready"
    for word in ("installing", "starting", "unpacking", "pulling", "making"):
        assert word not in done.stdout


@BARE
def test_a_bare_debian_gets_everything() -> None:
    """Packages, an engine of its own, plugins and the base image, from nothing but minbase.

    Without a volume at /var/lib/docker overlay2 often fails, and the script tries the next driver.
    A dockerd that the script has not started must outlive that. An engine that was killed starts
    anew, also where the machine's own file names the storage driver, which no flag may do then.
    """
    script = f"""
        cp /bin/sleep /tmp/dockerd && /tmp/dockerd 9999 & other=$!
        cp -r /src/scripts /tmp/ && /tmp/scripts/ground && docker image inspect {BASE} &&
        docker buildx version && docker compose version && kill -0 $other && /tmp/scripts/ground &&
        driver=$(docker info --format '{{{{.Driver}}}}') &&
        echo "{{\\"storage-driver\\": \\"$driver\\"}}" >/etc/docker/daemon.json &&
        kill -9 $(cat /var/run/docker.pid) && /tmp/scripts/ground
    """
    out = docker(
        *("run", "--rm", *NESTED, "-v", f"{ROOT}:/src:ro", BASE, "sh", "-c", script), timeout=1700
    )
    first, again, killed = out.split("ground: ready\n", 2)
    assert "installing docker.io" in first
    assert BASE in first
    assert "base image: debian:trixie-slim is there" in again
    assert "starting" not in again
    assert "storage driver: configured" in killed
    assert killed.rstrip().endswith("ground: ready")


@BARE
def test_an_engine_that_is_not_ours_is_left_alone() -> None:
    """Elsewhere, or for other users only: the script says so, and starts none beside it."""
    script = "cp -r /src/scripts /tmp/ && DOCKER_HOST=unix:///nothing /tmp/scripts/ground"
    done = subprocess.run(
        ["docker", "run", "--rm", "-v", f"{ROOT}:/src:ro", BASE, "bash", "-c", script],
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    assert done.returncode == 1
    assert "no engine answers at DOCKER_HOST" in done.stderr
    assert "dockerd" not in done.stdout


def test_a_build_that_fails_is_tried_once_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """The first try leaves a mark for the second one. Without that, each would fail."""
    name = f"borgpull-test-{tmp_path.name}".lower()
    monkeypatch.setitem(build_images.IMAGES, name, tmp_path)
    mount = f"--mount=type=cache,id={name}-{time.time_ns()},target=/mark"
    file = tmp_path / "Dockerfile"
    file.write_text(f"FROM {BASE}\nRUN {mount} ls /mark/here || {{ touch /mark/here; false; }}\n")
    try:
        build_images.build(name)
        assert f"{name}:latest" in docker("image", "inspect", name)
    finally:
        subprocess.run(["docker", "image", "rm", name], check=False, capture_output=True)
    assert capfd.readouterr().err.count(f"build of {name} failed, once more: ") == 1
    file.write_text(f"FROM {BASE}\nRUN false\n")
    with pytest.raises(SystemExit, match=f"build of {name} failed: "):
        build_images.build(name)
