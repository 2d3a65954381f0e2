"""stream by its SFTP reader: it makes what sshfs makes, of a client that offers nothing else."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import pytest

from tests.docker.test_truncation import BROKEN
from tests.support import ends
from tests.support.lab import Client, Lab

pytestmark = [pytest.mark.docker, pytest.mark.timeout(300)]
OWNER = 1000  # of the laboratory: the sidecars are not root

TREE, FUSE = "/srv/data", "by-sshfs"
SOME = ("--exclude", "*/sparse*", TREE)  # one file there is the most of it


@dataclass(frozen=True)
class Saved:
    """A client after its first run."""

    client: Client
    data: dict[str, Any]


@pytest.fixture(scope="module")
def saved(lab: Lab) -> Saved:
    client = lab.client(SFTP_WRAPPER="eio", MANY="300")
    client.exec("rm", "/srv/control/eio")
    client.exec("sh", "-c", f"head -c 3000000 /dev/urandom >{TREE}/large; : >{TREE}/none")
    # What is as new as this run could change once more in its second, so it would be read again.
    client.exec("sh", "-c", f"cd {TREE}; touch -d 2020-01-01 last-boot none large")
    before = client.tree(TREE)
    data = lab.pull("stream", client, *SOME)["data"]
    assert client.tree(TREE) == before
    assert ends.ours(client) == ""
    return Saved(client, data)


def items(lab: Lab, client: str, archive: str) -> dict[str, dict[str, Any]]:
    """Every field that borg stores of every item, but for its atime; with the content's hash."""
    text = lab.borg(client, "debug", "dump-archive", f"::{archive}", "-")
    found = {item["path"]: item for item in json.loads(text)["_items"]}
    for item in found.values():
        item.pop("atime", None)
        item.pop("chunks", None)
    listed = lab.borg(client, "list", "--format", "{sha256} {path}{NUL}", f"::{archive}")
    hashes = dict(row.split(" ", 1)[::-1] for row in listed.split("\0")[:-1])
    return {path: {**item, "sha256": hashes.get(path, "")} for path, item in found.items()}


def test_every_field_of_every_item_is_that_of_sshfs(lab: Lab, saved: Saved) -> None:
    """The client has a shell, but no Python."""
    words = ("--name", FUSE, "--init", saved.client.address, *SOME)
    by_fuse = lab.sidecar("sshfs", "--json", *words)
    assert by_fuse.rc == 0, by_fuse.stdout
    data = by_fuse.result["data"]
    expected = items(lab, FUSE, data["archive"])
    assert len(expected) > 300
    assert items(lab, saved.client.name, saved.data["archive"]) == expected
    assert (saved.data["reader"], saved.data["listings"]) == ("sftp", "checked")
    assert saved.data["losses"] == data["losses"]
    assert saved.data["losses"]["devices"] == 2
    assert (saved.data["items"], saved.data["bytes"]) == (data["items"], data["bytes"])


def test_unchanged_files_are_not_read_again(lab: Lab, saved: Saved) -> None:
    client = saved.client
    client.exec("sh", "-c", f"echo x >>{TREE}/none")
    data = lab.pull("stream", client, *SOME)["data"]
    # borg itself forgets the newest files.
    newest = [f"{TREE}/times/before-1970", f"{TREE}/times/after-2038"]
    assert sorted(data["read_paths"]) == sorted([f"{TREE}/none", *newest])


def test_a_read_error_is_told_and_heals(lab: Lab, saved: Saved) -> None:
    client = saved.client
    client.exec("sh", "-c", f"touch -d '2021-02-03 04:05:06' /{BROKEN}; touch /srv/control/eio")
    done = lab.plain("stream", "--json", client.address, *SOME)
    assert done.rc == 60, done.stdout
    assert "/" + BROKEN in done.result["failure"]["message"]
    client.exec("rm", "/srv/control/eio")
    data = lab.pull("stream", client, *SOME)["data"]
    assert f"/{BROKEN}" in data["read_paths"]
    lab.borg(client.name, "check", "--verify-data")
