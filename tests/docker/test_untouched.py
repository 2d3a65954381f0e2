"""The client is not written to: a full listing, ctimes included, is the same before and after."""

from __future__ import annotations

import pytest

from tests.support.lab import Client, Lab, Rung

pytestmark = [pytest.mark.docker, pytest.mark.timeout(300)]

VOLUME = "/srv/data"
TREES = ("/srv", VOLUME, "/etc", "/home", "/root", "/usr", "/var", "/opt")


def listing(client: Client) -> list[str]:
    """Every entry with inode, size, mtime and ctime.

    Of folders outside the volume only type, mode and owner: on the test machines' fuse-overlayfs
    their times and link counts drift by themselves.
    """
    lines = []
    for line in client.tree(*TREES).splitlines():
        path, facts, *rest = line.split("\t")
        if facts.startswith("d") and not path.startswith(VOLUME):
            facts = " ".join(facts.split(" ")[:4])
        lines.append("\t".join([path, facts, *rest]))
    return lines


# Not of all programs.
PART = (VOLUME, "/etc", "/home", "/root")
# All but most of the libraries, which are read as the other programs are.
WHOLE = ("--exclude", "/usr/lib")


@pytest.mark.parametrize(
    ("rung", "readonly", "first"), [("userns", "1", PART), ("sys-admin", "0", WHOLE)]
)
def test_nothing_changes_on_the_client(
    lab: Lab, rung: Rung, readonly: str, first: tuple[str, ...]
) -> None:
    """With `sftp-server -R`, which refuses every write, and without it, where one would show."""
    client = lab.client(SFTP_READONLY=readonly, MANY="300")
    before = listing(client)
    assert len(before) > 3000
    for paths in (first, PART):  # the second run is one with a files cache
        done = lab.sidecar("sshfs", "--init", client.address, *paths, rung=rung)
        assert done.rc == 0, done.stderr
    assert listing(client) == before
    assert "/borgpull" not in client.exec("find", "/run", "/tmp", "/dev/shm")


def test_nor_by_runs_that_fail_or_are_killed(lab: Lab) -> None:
    client = lab.client(SFTP_READONLY="0", SFTP_WRAPPER="slow", MANY="1000")
    before = listing(client)
    assert lab.sidecar("sshfs", "--init", client.address, "/no/such").rc == 36
    run = lab.start_sidecar("sshfs", client.address, "/srv/data")
    with pytest.raises(Exception, match="timed out"):
        run.wait(timeout=2.5)
    run.kill()
    for left in lab.state.glob("clients/*/manifests/new"):
        left.unlink()  # as its next run would do
    assert listing(client) == before
    assert not client.exec("find", "/run", "/tmp", "-name", "*borgpull*").strip()
