"""A machine whose systemd runs, in a container: it starts what this host's engine runs."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tests.support.lab import ROOT, TIMEOUT, Lab, docker

IMAGE = "borgpull-systemd"
UNITS, QUADLETS = "/etc/systemd/system", "/etc/containers/systemd"
GENERATOR = "/usr/libexec/podman/quadlet"


class Machine:
    def __init__(self, name: str) -> None:
        self.name = name

    def run(self, *argv: str, timeout: float = TIMEOUT) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["docker", "exec", self.name, *argv],
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )

    def put(self, files: Mapping[str, str], folder: Path, there: str = UNITS) -> None:
        """Install files, by way of a folder here."""
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            (folder / name).write_text(text)
        docker("exec", self.name, "mkdir", "-p", there)
        docker("cp", "-q", f"{folder}/.", f"{self.name}:{there}")

    def generated(self) -> dict[str, str]:
        """The services that podman makes of the quadlets there, by name."""
        made = self.run(GENERATOR, "-dryrun")
        assert made.returncode == 0, made.stderr
        assert "unsupported" not in made.stderr
        parts = re.split(r"^---(.*)\.service---$", made.stdout, flags=re.MULTILINE)[1:]
        return dict(zip(parts[::2], parts[1::2], strict=True))

    def systemctl(self, *words: str) -> subprocess.CompletedProcess[str]:
        return self.run("systemctl", "--no-pager", *words)

    def show(self, unit: str, *names: str) -> dict[str, str]:
        """Properties of a unit."""
        lines = self.systemctl("show", unit, f"--property={','.join(names)}").stdout.splitlines()
        return dict(line.partition("=")[::2] for line in lines)

    def journal(self, unit: str) -> str:
        return self.run("journalctl", "--no-pager", "-o", "cat", "-u", unit).stdout


@contextmanager
def machine(lab: Lab, *more: str) -> Iterator[Machine]:
    """It may do what systemd does, and gets docker's command and socket; no network, but for `more`
    options. The image stays, as that of a client does: another laboratory may use it.
    """
    docker("build", "-q", "-t", IMAGE, str(ROOT / "images" / "systemd"))
    name = f"machine-{lab.id}"
    socket = os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock").removeprefix("unix://")
    command = shutil.which("docker")
    assert command
    options = ["--cap-add", "SYS_ADMIN", "--security-opt", "seccomp=unconfined"]
    options += ["--security-opt", "apparmor=unconfined", "--cgroupns", "private"]
    options += ["--tmpfs", "/run", "--tmpfs", "/tmp", "-e", "container=docker"]
    options += more or ("--network", "none")
    options += ["-v", f"{socket}:/run/docker.sock", "-v", f"{command}:/usr/bin/docker:ro"]
    try:
        docker("run", "-d", "--name", name, "--label", lab.label, *options, IMAGE)
        made = Machine(name)
        deadline = time.monotonic() + 60
        while made.systemctl("is-system-running").stdout.strip() not in ("running", "degraded"):
            assert time.monotonic() < deadline, docker("logs", name)
            time.sleep(0.2)
        yield made
    finally:
        docker("rm", "-f", "-v", name, check=False)
