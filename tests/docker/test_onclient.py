"""The methods with borg on the client: what is in the archive, and what is left on the client."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.lab import Client, Lab

pytestmark = [pytest.mark.docker, pytest.mark.timeout(600)]

METHODS = ("pipe", "socat", "agent", "forward")
TREE = "/srv/data"
# Where our folder may lie; names only, as their times change with every program that uses them.
PLACES = ("/tmp", "/var/tmp", "/dev/shm", "/run", "/root", "/var/cache")


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with Lab(tmp_path_factory.mktemp("onclient") / "lab", owner=1000) as made:
        yield made


@pytest.fixture(scope="module", params=["client", "busybox", "borg12"])
def client(lab: Lab, request: pytest.FixtureRequest) -> Client:
    if request.param == "busybox":
        return lab.client("borgpull-busybox-client", SSHD="openssh")
    if request.param == "borg12":
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


@pytest.mark.parametrize("method", METHODS)
def test_the_archive_is_that_of_borg_on_the_client(lab: Lab, client: Client, method: str) -> None:
    before = listing(client)
    data = lab.pull(method, client, TREE)["data"]
    again = lab.pull(method, client, TREE)["data"]
    assert listing(client) == before
    assert_nothing_runs(client)
    assert data["items"]["-"] > 5
    assert (again["files_read"], again["new_bytes"] < 100_000) == (0, True)

    hand = f"hand-{method}"
    lab.by_hand(client, hand, TREE)
    assert items(lab, client, data["archive"]) == items(lab, client, hand)
    assert items(lab, client, again["archive"]) == items(lab, client, hand)
    assert lab.borg(client.name, "diff", f"::{hand}", data["archive"]) == ""
