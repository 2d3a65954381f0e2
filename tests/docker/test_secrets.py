"""No secret in `docker inspect`, in any argument list or environment, in a log or an error text."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

import pytest

from tests.support import ends
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


# The same, where there is no Python.
_LOOK_SH = "cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ 2>/dev/null | tr '\\0' ' '"


def look_around(container: str) -> str:
    """What can be seen of all processes: from within, as the container's user, and by Docker."""
    argv = ["docker", "exec", container, "python3", "-c", _LOOK]
    seen = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=30)
    return seen.stdout + docker("top", container, "-eo", "pid,args", check=False)


def test_nothing_shows_the_passphrase_or_the_key(lab: Lab) -> None:
    client = lab.client(SFTP_WRAPPER="slow")
    key = lab.key.read_text().splitlines()[1]
    secrets = [lab.passphrase, key]
    run = lab.start_sidecar("sshfs", "--init", "--verbose", "--json", client.address, "/srv/data")
    inspected = seen = ""
    while run.poll() is None:
        if docker("ps", "-q", "--filter", f"name={run.name}").strip():
            inspected += docker("inspect", run.name, check=False)
            seen += look_around(run.name)
        time.sleep(0.3)
    assert run.wait(timeout=60) == 0
    # borg's environment and sshfs' arguments: else the look came too late to prove anything.
    assert "BORG_PASSPHRASE_FD" in seen and "no_contain_symlinks" in seen
    for secret in secrets:
        assert secret not in inspected + seen + run.output()


@pytest.mark.parametrize("method", ["pipe", "socat"])
def test_nor_with_borg_on_the_client(tmp_path: Path, method: str) -> None:
    """Neither in the sidecar nor on the client, where root looks, nor in errors."""
    with Lab(tmp_path / "lab", owner=1000) as lab:
        client = lab.client(MANY="300")
        secrets = [lab.passphrase, lab.key.read_text().splitlines()[1]]
        words = ("--init", "--verbose", "--json", "--compression", "lzma,9")
        run = ends.start(lab, method, *words, client.address, ends.TREE)
        here = there = inspected = ""
        while run.poll() is None:
            if docker("ps", "-q", "--filter", f"name={run.name}").strip():
                inspected += docker("inspect", run.name, check=False)
                here += look_around(run.name)
            there += client.exec("sh", "-c", f"{_LOOK_SH}; true")
            time.sleep(0.1)
        assert run.wait(timeout=60) == 0, run.output()
        # borg's environment and arguments on both sides: else the looks came too late.
        assert "BORG_PASSPHRASE_FD" in here and "--restrict-to-repository" in here
        assert "BORG_PASSPHRASE_FD" in there and "--log-json" in there
        seen = here + there + inspected + docker("inspect", client.name)
        seen += docker("logs", client.name)
        for secret in secrets:
            assert secret not in seen + run.output()
        wrong = "a-wrong-passphrase-that-must-not-be-shown"
        done = lab.plain(method, "--verbose", client.address, ends.TREE, passphrase=wrong)
        assert done.rc == 40
        for secret in (wrong, *secrets):
            assert secret not in done.stdout + done.stderr


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
