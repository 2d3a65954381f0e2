"""`make demo` says what it did and leaves nothing; the README's steps and compose's file work."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.support.lab import IMAGE, ROOT, Lab, docker, seccomp_profile

pytestmark = pytest.mark.docker
DEMO = [sys.executable, str(ROOT / "scripts" / "demo.py")]


def assert_nothing_is_left(pid: int) -> None:
    """The demo's names end in its process id: another one may be under way."""
    name = f"borgpull-demo-{pid}"
    assert not docker("ps", "-aq", "--filter", f"name={name}").strip()
    assert not docker("network", "ls", "-q", "--filter", f"name={name}").strip()


def test_the_demo(tmp_path: Path) -> None:
    env = {**os.environ, "TMPDIR": str(tmp_path)}
    with subprocess.Popen(
        DEMO, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=env
    ) as demo:
        output = demo.communicate(timeout=280)[0]
    assert demo.returncode == 0, output
    for text in ("0 bytes read again", "alice", "not carried: hard links", "byte for byte"):
        assert text in output
    assert_nothing_is_left(demo.pid)
    assert not list(tmp_path.iterdir())


def test_the_demo_cleans_up_when_it_is_stopped(tmp_path: Path) -> None:
    """SIGTERM in the midst of the first backup."""
    env = {**os.environ, "TMPDIR": str(tmp_path), "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(
        DEMO, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=env
    ) as demo:
        assert demo.stdout is not None
        for line in demo.stdout:
            if "saving /srv/data" in line:
                break
        demo.send_signal(signal.SIGTERM)
        rest = demo.communicate(timeout=120)[0]
    assert demo.returncode == 128 + signal.SIGTERM, rest
    assert_nothing_is_left(demo.pid)
    assert not list(tmp_path.iterdir())


def test_the_first_five_minutes(lab: Lab, tmp_path: Path) -> None:
    """The README's steps, as they stand there, from the key to the restored file."""
    client = lab.client(MANY="5", trust=False)
    script = tmp_path / "steps"
    script.write_text("set -e\nshopt -s expand_aliases\n" + readme_steps(lab, client.name))
    folder = tmp_path / "work"
    folder.mkdir()
    try:
        done = subprocess.run(
            ["bash", str(script)],
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        assert done.stdout.count(f"archive {client.name}-") == 2  # by sshfs, by pipe
        assert client.exec("cat", "/etc/hosts") in done.stdout
        assert "BORG_KEY" in (folder / "web1.borgkey").read_text()
    finally:
        shutil.rmtree(folder)


def readme_steps(lab: Lab, client: str) -> str:
    """The commands of the README's section, on this laboratory's network and client."""
    text = (ROOT / "README.md").read_text()
    text = text.partition("## A first archive in five minutes")[2].partition("The same from")[0]
    steps = "\n".join(line.strip() for line in text.splitlines() if line.startswith(" " * 4))
    print_ = docker("exec", client, "ssh-keygen", "-lf", "/run/sshd-keys/ssh_host_ed25519_key.pub")
    keys = "/etc/ssh/authorized_keys/root"
    allow = f"sed 's/^/restrict /' ssh_key.pub | docker exec -i {client} sh -c 'cat > {keys}'"
    for pattern, replacement in (
        (r"^make image$", ""),
        (r"^restrict ssh-ed25519 .*$", allow),
        (r"^restrict,command=.*$", ""),
        (r"SHA256:…", print_.split()[1]),
        (r"\bdocker run --rm", f"docker run --rm --network {lab.network} --label {lab.label}"),
        (r"::ARCHIVE", f"::$(bp list {client} | cut -d ' ' -f 1)"),
        (r"\bweb1(?!\.borgkey)", client),
        (r"\bborgpull(?= (?:render|trust|sshfs|pipe) |'$)", IMAGE),
    ):
        steps, count = re.subn(pattern, replacement, steps, flags=re.MULTILINE)
        assert count, f"not in the README's steps: {pattern}"
    return steps


def test_the_compose_example(lab: Lab, tmp_path: Path) -> None:
    """It has no privilege, and it runs as it stands, but for client and network."""
    file = ROOT / "compose" / "backup.yaml"
    service = yaml.safe_load(file.read_text())["services"]["backup"]
    assert "privileged" not in service
    assert "cap_add" not in service

    client = lab.client(MANY="5")
    folder = tmp_path / "work"
    (folder / "secrets").mkdir(parents=True)
    shutil.copy(lab.key, folder / "secrets" / "ssh_key")
    (folder / "secrets" / "passphrase").write_text(lab.passphrase + "\n")
    shutil.copy(seccomp_profile(), folder / "borgpull-seccomp.json")
    (folder / "repo").symlink_to(lab.repo)
    (folder / "state").symlink_to(lab.state)
    network = folder / "network.yaml"
    network.write_text(f"networks: {{default: {{name: {lab.network}, external: true}}}}\n")
    options = ["--project-directory", str(folder), "-f", str(file), "-f", str(network)]
    command = ["sshfs", "--init", client.address, "/etc"]
    output = docker("compose", *options, "run", "--rm", "-T", "backup", *command)
    assert "is verified" in output
    assert lab.borg(client.name, "list", "--short").startswith(client.name)
