"""No secret in `docker inspect`, in any argument list or environment, in a log or an error text."""

from __future__ import annotations

import subprocess
import time

import pytest

from tests.support.lab import Lab, docker

pytestmark = pytest.mark.docker

# Prints the command line and environment of every process of the container.
_LOOK = """
import os
for name in filter(str.isdigit, os.listdir('/proc')):
    for file in ('cmdline', 'environ'):
        try:
            print(open(f'/proc/{name}/{file}', 'rb').read())
        except OSError:
            pass
"""


def look_around(container: str) -> str:
    inspect = docker("inspect", container)
    argv = ["docker", "exec", container, "python3", "-c", _LOOK]
    seen = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=30)
    return inspect + seen.stdout


def test_nothing_shows_the_passphrase_or_the_key(lab: Lab) -> None:
    client = lab.client(SFTP_WRAPPER="slow")
    key = lab.key.read_text().splitlines()[1]
    secrets = [lab.passphrase, key]
    run = lab.start_sidecar("sshfs", "--init", "--verbose", "--json", client.address, "/srv/data")
    seen = ""
    while run.poll() is None:
        if docker("ps", "-q", "--filter", f"name={run.name}").strip():
            seen += look_around(run.name)
        time.sleep(0.3)
    assert run.wait(timeout=60) == 0
    assert "borg" in seen and "sshfs" in seen, "the look came too late to prove anything"
    for secret in secrets:
        assert secret not in seen
        assert secret not in run.output()


def test_errors_do_not_hold_the_passphrase(lab: Lab) -> None:
    client = lab.client()
    lab.backup(client, "/etc")
    wrong = "a-wrong-passphrase-that-must-not-be-shown"
    run = lab.sidecar("sshfs", "--verbose", client.address, "/etc", passphrase=wrong)
    assert run.rc == 40
    assert wrong not in run.stdout + run.stderr
    assert lab.passphrase not in run.stdout + run.stderr


def test_the_repository_is_encrypted_with_it(lab: Lab) -> None:
    """The negative control: without the passphrase stock borg cannot list."""
    client = lab.client()
    lab.backup(client, "/etc")
    run = lab.sidecar("list", client.name, passphrase=None)
    assert run.rc == 41
