"""A file that the remote side cuts short never becomes a good archive (libfuse/sshfs#224)."""

from __future__ import annotations

import hashlib

import pytest

from tests.support.lab import Client, Lab

pytestmark = pytest.mark.docker

BROKEN = "srv/data/files/eio-8mib.bin"


def names(lab: Lab, client: str) -> list[str]:
    return lab.borg(client, "list", "--short", "::").split()


@pytest.fixture(scope="module")
def client(lab: Lab) -> Client:
    return lab.client(SFTP_WRAPPER="eio", MANY="50")


def test_a_read_error_on_the_client_is_found_and_healed(lab: Lab, client: Client) -> None:
    run = lab.sidecar("sshfs", "--init", client.address, "/srv/data")
    assert run.rc == 62
    assert "/" + BROKEN in run.stderr
    assert all(".unverified-" in name for name in names(lab, client.name)), "a cut file is a backup"

    client.exec("rm", "/srv/control/eio")
    again = lab.sidecar("sshfs", client.address, "/srv/data")
    assert again.rc == 0, again.stderr
    (name,) = names(lab, client.name)  # the unverified one is gone
    content = lab.borg_bytes(client.name, "extract", "--stdout", f"::{name}", BROKEN)
    assert hashlib.sha256(content).hexdigest() == client.exec("sha256sum", "/" + BROKEN).split()[0]

    # The disk breaks between two runs: a changed file is read, cut, and found.
    client.exec("sh", "-c", f"touch -d '2021-02-03 04:05:06' /{BROKEN}; touch /srv/control/eio")
    run = lab.sidecar("sshfs", client.address, "/srv/data")
    assert run.rc == 62
    client.exec("rm", "/srv/control/eio")
    assert lab.sidecar("sshfs", client.address, "/srv/data").rc == 0
    size = lab.borg(
        client.name, "list", "--format", "{size}{NL}", f"::{names(lab, client.name)[-1]}", BROKEN
    )
    assert int(size) == int(client.exec("stat", "-c", "%s", "/" + BROKEN))


def test_a_file_that_grows_is_reported_not_refused(lab: Lab, client: Client) -> None:
    client.exec("rm", "-f", "/srv/control/eio")
    client.exec(
        "sh",
        "-c",
        "(while sleep 0.02; do echo line >> /srv/data/growing.log; done) & true",
        detach=True,
    )
    result = lab.backup(client, "/srv/data")
    assert result["ok"]
    assert result["data"]["changed"] == ["/srv/data/growing.log"]
