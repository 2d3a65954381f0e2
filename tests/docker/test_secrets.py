"""No secret in `docker inspect`, in any argument list or environment, in a log or an error text."""

from __future__ import annotations

import contextlib
import time
from pathlib import Path

import pytest

from tests.support import ends
from tests.support.lab import Client, Lab, docker

pytestmark = pytest.mark.docker


class Looks:
    """The command lines and environments of all processes of containers, as root sees them here.

    Read from this machine's /proc: a look by `docker exec` takes longer than some processes live.
    """

    def __init__(self, *containers: str) -> None:
        self.names = containers
        self.seen = dict.fromkeys(containers, "")
        self._ids: dict[str, str] = {}

    def look(self) -> None:
        for name in self.names:
            if name not in self._ids and (
                found := docker("ps", "-q", "--no-trunc", "-f", f"name={name}")
            ):
                self._ids[name] = found.strip()
        for process in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):  # it has ended
                group = (process / "cgroup").read_text()
                for name in self._in(group):
                    both = [(process / file).read_bytes() for file in ("cmdline", "environ")]
                    self.seen[name] += b" ".join(both).decode(errors="replace") + "\n"

    def _in(self, group: str) -> list[str]:
        return [name for name, number in self._ids.items() if number in group]


def inspected(container: str) -> str:
    return docker("inspect", container) + docker("top", container, "-eo", "pid,args")


@pytest.fixture(scope="module")
def client(lab: Lab) -> Client:
    """With a backup."""
    made = lab.client(MANY="300")
    lab.backup(made, "/etc/ssh")
    return made


def test_nothing_shows_the_passphrase_or_the_key(lab: Lab, client: Client) -> None:
    key = lab.key.read_text().splitlines()[1]
    secrets = [lab.passphrase, key]
    run = lab.start_sidecar("sshfs", "--verbose", "--json", client.address, "/srv/data")
    looks = Looks(run.name)
    shown = ""
    while run.poll() is None:
        looks.look()
        if not shown and "no_contain_symlinks" in looks.seen[run.name]:
            shown = inspected(run.name)
        time.sleep(0.1)
    assert run.wait(timeout=60) == 0
    seen = looks.seen[run.name]
    # borg's environment and sshfs' arguments: else the look came too late to prove anything.
    assert "BORG_PASSPHRASE_FD" in seen and "no_contain_symlinks" in seen and shown
    for secret in secrets:
        assert secret not in shown + seen + run.output()


@pytest.mark.parametrize("method", ["pipe", "socat"])
def test_nor_with_borg_on_the_client(tmp_path: Path, method: str) -> None:
    """Neither in the sidecar nor on the client, where root looks, nor in errors."""
    with Lab(tmp_path / "lab", owner=1000) as lab:
        client = lab.client(MANY="300")
        secrets = [lab.passphrase, lab.key.read_text().splitlines()[1]]
        words = ("--init", "--verbose", "--json")
        run = ends.start(lab, method, *words, client.address, ends.TREE)
        looks = Looks(run.name, client.name)
        shown = ""
        while run.poll() is None:
            looks.look()
            if not shown and "--restrict-to-repository" in looks.seen[run.name]:
                shown = inspected(run.name) + inspected(client.name)
            time.sleep(0.05)
        assert run.wait(timeout=60) == 0, run.output()
        here, there = looks.seen[run.name], looks.seen[client.name]
        # borg's environment and arguments on both sides: else the looks came too late.
        assert "BORG_PASSPHRASE_FD" in here and "--restrict-to-repository" in here
        assert "BORG_PASSPHRASE_FD" in there and "--log-json" in there
        assert shown
        seen = here + there + shown + client.log()
        for secret in secrets:
            assert secret not in seen + run.output()
        wrong = "a-wrong-passphrase-that-must-not-be-shown"
        done = lab.plain(method, "--verbose", client.address, ends.TREE, passphrase=wrong)
        assert done.rc == 40
        for secret in (wrong, *secrets):
            assert secret not in done.stdout + done.stderr


def test_errors_do_not_hold_the_passphrase(lab: Lab, client: Client) -> None:
    wrong = "a-wrong-passphrase-that-must-not-be-shown"
    run = lab.sidecar("sshfs", "--verbose", client.address, "/etc", passphrase=wrong)
    assert run.rc == 40
    assert wrong not in run.stdout + run.stderr
    assert lab.passphrase not in run.stdout + run.stderr


def test_the_repository_is_encrypted_with_it(lab: Lab, client: Client) -> None:
    """The negative control: without the passphrase stock borg cannot list."""
    run = lab.sidecar("list", client.name, passphrase=None)
    assert run.rc == 41
