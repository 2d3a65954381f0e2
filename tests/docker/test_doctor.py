"""Doctor's view of a client: which methods work there, and that looking leaves nothing."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.support.lab import Client, Lab

pytestmark = pytest.mark.docker

PYTHON = r"the reader is python \(3\.\d+\.\d+\); restore works by it, too"
KEYS = "/etc/ssh/authorized_keys/root"
OURS = "ours, which is sent; pipe works, and socat, agent, forward if its sshd forwards (not tried)"


@pytest.fixture(scope="module")
def client(lab: Lab) -> Client:
    return lab.client(SEED="0")


def checks(lab: Lab, client: Client) -> dict[str, dict[str, Any]]:
    done = lab.sidecar("doctor", "--json", client.address)
    assert done.rc == 0, done.stdout
    return {item["name"]: item for item in done.result["data"]["checks"]}


def test_ours_is_sent(lab: Lab, client: Client) -> None:
    before = client.exec("find", "/tmp", "/var", "/root", "/run", "/dev/shm")
    found = checks(lab, client)
    assert client.exec("find", "/tmp", "/var", "/root", "/run", "/dev/shm") == before
    assert found["borg there"]["text"] == OURS
    assert found["user"]["text"] == "on the client we are root"
    assert found["stream"]["text"].startswith("the reader is find: no python3 of 3.6 or newer")
    assert "restore by stream needs that Python" in found["stream"]["hint"]
    assert "Linux x86_64; has find, getfattr, gzip, sha256sum, tar" in found["client"]["text"]


def test_its_own_borg_where_ours_does_not_fit(lab: Lab) -> None:
    """By the old one that is there; its ssh is new enough for agent, and it has no socat."""
    client = lab.client("borgpull-borg12-client", SEED="0")
    found = checks(lab, client)
    assert found["borg there"]["text"] == OURS
    assert re.fullmatch(PYTHON, found["stream"]["text"])
    client.exec("rm", "/usr/bin/sha256sum")
    text = checks(lab, client)["borg there"]["text"]
    assert text.startswith("its own, by --client-borg /usr/bin/borg; pipe works, and agent, ")
    client.exec("rm", "/usr/bin/borg")
    bare = checks(lab, client)["borg there"]
    assert (bare["ok"], "no sha256sum" in bare["text"]) == (None, True)


@pytest.mark.parametrize(
    ("command", "name", "text"),
    [
        ("/usr/lib/openssh/sftp-server -R", "shell", "no shell on the client"),
        ("/usr/lib/openssh/sftp-server -R", "stream", "the reader is sftp: no python3"),
        ("echo borgpull-forced /etc", "borg there", "the key saves /etc by pipe, and does"),
    ],
    ids=["sftp", "reader", "pipe"],
)
def test_a_key_that_is_limited(
    lab: Lab, client: Client, command: str, name: str, text: str
) -> None:
    keys = client.exec("cat", KEYS)
    client.exec("sed", "-i", f's|^|restrict,command="{command}" |', KEYS)
    try:
        assert checks(lab, client)[name]["text"].startswith(text)
    finally:
        client.exec("sh", "-c", f"echo '{keys}' >{KEYS}")
