"""stream sends no content twice: large files that change in part, and what is moved or renamed."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.support.lab import Client, Lab

pytestmark = [pytest.mark.docker, pytest.mark.timeout(300)]
OWNER = 1000
IMAGE, TREE = "borgpull-borg12-client", "/srv/data"
MIB = 1 << 20
MAKE = f"""
mkdir -p {TREE}/tree/sub; cd {TREE}
head -c 40M /dev/urandom >large; head -c 700000 /dev/urandom >middle
for i in $(seq 300); do head -c 20000 /dev/urandom >tree/$i; done
for i in $(seq 20); do head -c 2000000 /dev/urandom >tree/sub/$i; done
setfattr -n user.k -v v tree/7; ln tree/8 tree/eight; : >tree/none
"""


def received(lab: Lab, client: Client, archive: str) -> tuple[dict[str, Any], int]:
    """The data of a run, and the bytes that the client has sent meanwhile."""
    before = sent(client)
    data: dict[str, Any] = lab.pull("stream", client, "--archive", archive, TREE)["data"]
    return data, sent(client) - before


def sent(client: Client) -> int:
    text = client.exec("cat", "/sys/class/net/eth0/statistics/tx_bytes")
    return int(text)


def same_as_by_hand(lab: Lab, client: Client, archive: str) -> None:
    """Each item is that of a full read, but for where large files are cut."""
    lab.by_hand(client, f"hand-{archive}", TREE)
    found = []
    for name in (archive, f"hand-{archive}"):
        text = lab.borg(client.name, "debug", "dump-archive", f"::{name}", "-")
        items = json.loads(text)["_items"]
        for item in items:
            item.pop("atime", None)
            if item.get("size", 0) > 512 << 10:
                item.pop("chunks", None)
        found.append(items)
    assert found[0] == found[1]
    shown = ("list", "--format", "{sha256} {path}{NL}")
    one, two = (lab.borg(client.name, *shown, f"::{n}") for n in (archive, f"hand-{archive}"))
    assert one == two


@pytest.fixture(scope="module")
def client(lab: Lab) -> Client:
    made = lab.client(IMAGE)
    made.exec("sh", "-c", MAKE)
    _, size = received(lab, made, "first")
    assert size > 85 * MIB
    return made


def test_a_touched_large_file_and_one_that_changes_in_part(lab: Lab, client: Client) -> None:
    client.exec("touch", f"{TREE}/large", f"{TREE}/middle")
    data, size = received(lab, client, "touched")
    assert f"{TREE}/large" in data["read_paths"]
    assert size < 400_000
    part = f"dd if=/dev/urandom of={TREE}/large bs=1M seek=20 count=4 conv=notrunc status=none"
    client.exec("sh", "-c", f"{part}; echo more >>{TREE}/large; truncate -s 600000 {TREE}/middle")
    data, size = received(lab, client, "part")
    assert 4 * MIB < size < 18 * MIB
    same_as_by_hand(lab, client, "part")


def test_what_is_moved_or_changes_its_owner_is_not_sent_again(lab: Lab, client: Client) -> None:
    client.exec(
        *("sh", "-c"),
        f"cd {TREE}; mv tree moved; mv large big; chown -R alice moved; mv moved/2 moved/two; "
        # Another content of the same size, in the same file:
        "dd if=/dev/urandom of=moved/two bs=20000 count=1 conv=notrunc status=none",
    )
    data, size = received(lab, client, "moved")
    assert data["files_read"] > 300
    assert size < 600_000
    same_as_by_hand(lab, client, "moved")
    data, _ = received(lab, client, "again")
    assert data["files_read"] < 5
    lab.borg(client.name, "check", "--verify-data")
