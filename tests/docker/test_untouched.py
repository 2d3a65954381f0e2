"""The client is not written to: a full listing, ctimes included, is the same before and after."""

from __future__ import annotations

import pytest

from tests.support.lab import Lab, Rung

pytestmark = pytest.mark.docker

TREES = ("/srv", "/srv/data", "/etc", "/home", "/root", "/usr", "/var", "/opt")


@pytest.mark.parametrize(("rung", "readonly"), [("userns", "1"), ("sys-admin", "0")])
def test_nothing_changes_on_the_client(lab: Lab, rung: Rung, readonly: str) -> None:
    """With `sftp-server -R`, which refuses every write, and without it, where one would show."""
    client = lab.client(SFTP_READONLY=readonly)
    before = client.tree(*TREES)
    assert before.count("\n") > 5000
    for _ in range(2):
        done = lab.sidecar("sshfs", "--init", client.address, rung=rung)
        assert done.rc == 0, done.stderr
    assert client.tree(*TREES) == before
    assert "/borgpull" not in client.exec("find", "/run", "/tmp", "/dev/shm")


def test_nor_by_runs_that_fail_or_are_killed(lab: Lab) -> None:
    client = lab.client(SFTP_READONLY="0", SFTP_WRAPPER="slow")
    before = client.tree(*TREES)
    assert lab.sidecar("sshfs", "--init", client.address, "/no/such").rc == 36
    run = lab.start_sidecar("sshfs", client.address, "/srv/data")
    with pytest.raises(Exception, match="timed out"):
        run.wait(timeout=2.5)
    run.kill()
    assert client.tree(*TREES) == before
    assert not client.exec("find", "/run", "/tmp", "-name", "*borgpull*").strip()
