"""The methods with borg on the client: what is in the archive, and what is left on the client."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import pytest

from tests.support.lab import Client, Completed, Lab

pytestmark = [pytest.mark.docker, pytest.mark.timeout(600)]
OWNER = 1000  # of the laboratory: the sidecars are not root

TREE, HAND = "/srv/data", "hand"
# By which method each of the clients is saved first.
FIRST = {"client": "agent", "busybox": "socat", "borg12": "forward"}
# And by which ones then: each method is tried on two kinds at least.
THEN = {
    "client": ("pipe", "forward"),
    "busybox": ("pipe", "agent"),
    "borg12": ("pipe", "socat"),
}
# Where our folder may lie; names only, as their times change with every program that uses them.
PLACES = ("/tmp", "/var/tmp", "/dev/shm", "/run", "/root", "/var/cache")


@dataclass(frozen=True)
class Saved:
    """A client after its first run, which reads all; and what borg by hand makes of its tree."""

    client: Client
    items: list[dict[str, Any]]
    methods: tuple[str, ...]  # of the runs to come


@pytest.fixture(scope="module", params=FIRST)
def saved(lab: Lab, request: pytest.FixtureRequest) -> Saved:
    client = made(lab, request.param)
    before = listing(client)
    data = lab.pull(FIRST[request.param], client, TREE)["data"]
    assert listing(client) == before
    assert data["files_read"] > 5
    lab.by_hand(client, HAND, TREE)
    expected = items(lab, client, HAND)
    assert items(lab, client, data["archive"]) == expected
    return Saved(client, expected, THEN[request.param])


def made(lab: Lab, kind: str) -> Client:
    if kind == "busybox":
        return lab.client("borgpull-busybox-client", SSHD="openssh")
    if kind == "borg12":
        return lab.client("borgpull-borg12-client", MANY="300")
    return lab.client(MANY="300")


def items(lab: Lab, client: Client, archive: str) -> list[dict[str, Any]]:
    """Every attribute that borg stores of every item, by borg's own dump.

    But for atime, which each reading may change, and borg's notes on hard links between chunks.
    """
    text = lab.borg(client.name, "debug", "dump-archive", f"::{archive}", "-")
    found: list[dict[str, Any]] = json.loads(text)["_items"]
    for item in found:
        item.pop("atime", None)
    return found


def listing(client: Client) -> str:
    """The tree with inodes, mtimes and ctimes, and the names in all places that could be ours."""
    tree = client.exec("find", TREE, "-exec", "stat", "-c", "%n %i %a %u %g %s %Y %Z", "{}", "+")
    places = client.exec(
        "sh", "-c", f"for p in {' '.join(PLACES)}; do [ ! -d $p ] || find $p; done"
    )
    return tree + places


def assert_nothing_runs(client: Client) -> None:
    assert "borg" not in client.exec("ps", "-o", "args")


def test_the_archive_is_that_of_borg_on_the_client(lab: Lab, saved: Saved) -> None:
    """And no file is read again, whichever method read it: they share what they know."""
    client = saved.client
    for method in saved.methods:
        before = listing(client)
        data = lab.pull(method, client, TREE)["data"]
        assert listing(client) == before, method
        assert_nothing_runs(client)
        assert data["items"]["-"] > 5, method
        assert (data["files_read"], data["new_bytes"] < 100_000) == (0, True), method
        assert items(lab, client, data["archive"]) == saved.items, method
        assert lab.borg(client.name, "diff", f"::{HAND}", data["archive"]) == "", method


def test_what_borg_could_not_save_is_judged_file_by_file(lab: Lab) -> None:
    """A borg that says more than the real one beside it: what real races look like."""
    client = lab.client("borgpull-borg12-client", SEED="0")
    wrapper = """#!/bin/sh
case " $* " in *" create "*) cat /srv/say >&2 ;; esac
exec /usr/bin/borg "$@"
"""
    client.exec("sh", "-c", 'printf %s "$1" >/srv/borg; chmod 755 /srv/borg', "sh", wrapper)

    def run(*said: str) -> Completed:
        client.exec("sh", "-c", 'printf %s "$1" >/srv/say', "sh", "".join(said))
        words = ("--json", "--init", "--client-borg", "/srv/borg", client.address, "/etc/ssh")
        return lab.plain("pipe", *words)

    def line(**words: str) -> str:
        return json.dumps(words) + "\n"

    def warning(text: str) -> str:
        return line(type="log_message", levelname="WARNING", message=text)

    gone = "etc/ssh/gone: open: [Errno 2] No such file or directory: 'gone'"
    passed = run(warning(gone), line(type="file_status", status="E", path="etc/ssh/gone"))
    assert passed.rc == 0, passed.stderr
    assert passed.result["data"]["vanished"] == ["/etc/ssh/gone"]
    # The file is there all the while.
    back = gone.replace("gone", "sshd_config")
    failed = run(warning(back), line(type="file_status", status="E", path="etc/ssh/sshd_config"))
    assert failed.rc == 60 and "/etc/ssh/sshd_config" in failed.result["failure"]["message"]
    said = warning("etc/ssh/x: file inode changed, skipping file")
    failed = run(warning(gone), said, line(type="file_status", status="E", path="etc/ssh/x"))
    assert failed.rc == 60 and "/etc/ssh/x" in failed.result["failure"]["message"]
