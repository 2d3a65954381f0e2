"""stream by its SFTP reader: it makes what sshfs makes, of a client that offers nothing else."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.docker.test_truncation import BROKEN
from tests.support import ends, evil_sftp
from tests.support.lab import Client, Lab

pytestmark = [pytest.mark.docker, pytest.mark.timeout(300)]
OWNER = 1000  # of the laboratory: the sidecars are not root

TREE, FUSE = "/srv/data", "by-sshfs"
SOME = ("--exclude", "*/sparse*", TREE)  # one file there is the most of it
SFTP = ("--reader", "sftp")  # it is the last one that is taken by itself


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
    data = lab.pull("stream", client, *SFTP, *SOME)["data"]
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
    data = lab.pull("stream", client, *SFTP, *SOME)["data"]
    # borg itself forgets the newest files.
    newest = [f"{TREE}/times/before-1970", f"{TREE}/times/after-2038"]
    assert sorted(data["read_paths"]) == sorted([f"{TREE}/none", *newest])


def test_a_read_error_is_told_and_heals(lab: Lab, saved: Saved) -> None:
    client = saved.client
    client.exec("sh", "-c", f"touch -d '2021-02-03 04:05:06' /{BROKEN}; touch /srv/control/eio")
    done = lab.plain("stream", "--json", *SFTP, client.address, *SOME)
    assert done.rc == 60, done.stdout
    assert "/" + BROKEN in done.result["failure"]["message"]
    client.exec("rm", "/srv/control/eio")
    data = lab.pull("stream", client, *SFTP, *SOME)["data"]
    assert f"/{BROKEN}" in data["read_paths"]
    lab.borg(client.name, "check", "--verify-data")


def test_what_sftp_hides_is_found_by_the_clients_own_walk(lab: Lab, saved: Saved) -> None:
    """In a folder that may be listed, but not looked into, its server shows nothing."""
    client, folder = saved.client, "/srv/half"
    client.exec("sh", "-c", f"mkdir {folder}; echo x >{folder}/file; chmod 744 {folder}")
    address = client.address.replace("root", "alice")
    words = ("stream", "--json", "--init", *SFTP, "--name", "half", address, folder)
    done = lab.plain(*words)
    assert done.rc == 60, done.stdout
    assert f"{folder}/file" in done.result["failure"]["message"]
    assert [".unverified-" in name for name in ends.archive_names(lab, "half")] == [True]
    client.exec("chmod", "755", folder)
    assert lab.plain(*words).result["data"]["items"] == {"d": 1, "-": 1}


def test_a_chroot_without_a_shell(lab: Lab) -> None:
    """It shows no mounts, no names of users, and nothing but SFTP."""
    client = lab.client(SEED="0", SSHD_EXTRA="ChrootDirectory /jail\\nForceCommand internal-sftp")
    script = "mkdir -p dev/project run www; echo x >dev/project/main.c; echo x >www/index"
    client.exec("sh", "-c", f"mkdir -p -m 755 /jail; cd /jail; {script}; ln -s www sys")
    done = lab.plain("stream", "--json", "--init", client.address, "/")
    assert done.rc == 0, done.stdout
    data = done.result["data"]
    assert (data["reader"], data["listings"]) == ("sftp", "not checked")
    assert data["left_out"] == [{"path": "/dev", "fstype": "unknown", "asked": False}]
    assert data["losses"] == dict.fromkeys(data["losses"])
    assert len(data["losses"]) == 5
    names = lab.borg(client.name, "list", "--short", f"::{data['archive']}").split()
    assert sorted(names) == [".", "dev", "run", "sys", "www", "www/index"]
    assert lab.plain("stream", client.address, "/no-such").rc == 36
    assert lab.plain("stream", client.address, "/sys").rc == 36


def test_a_server_that_lies_is_told_apart(lab: Lab) -> None:
    client = lab.client("borgpull-borg12-client", SEED="0")
    client.exec("sh", "-c", f"mkdir -p /srv/control; echo x >{TREE}/x")
    source = Path(evil_sftp.__file__).read_text()
    client.exec("sh", "-c", 'printf %s "$1" >/srv/control/evil', "sh", source)
    line = 'restrict,command="/usr/bin/python3 /srv/control/evil" '
    client.exec("sed", "-i", f"s|^|{line}|", "/etc/ssh/authorized_keys/root")
    expected = {"none": 0, "slash": 37, "version": 35, "short": 60, "ends": 34}
    for lie, code in expected.items():
        client.exec("sh", "-c", f"printf {lie} >/srv/control/lie")
        words = ("--reader", "sftp", "--archive", lie, client.address, TREE)
        done = lab.plain("stream", "--json", "--init", *words)
        assert done.rc == code, f"{lie}: {done.stdout[-1500:]}"
    names = ends.archive_names(lab, client.name)
    assert [name.partition("-")[0] for name in names] == ["none", "short.unverified"]
