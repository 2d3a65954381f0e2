"""stream: what it makes is what borg on the client makes, item by item and field by field."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.support.lab import Client, Lab

pytestmark = [pytest.mark.docker, pytest.mark.timeout(300)]
OWNER = 1000  # of the laboratory: the sidecars are not root

TREE, HAND = "/srv/data", "hand"
# A client with a Python (3.11).
IMAGE = "borgpull-borg12-client"


@pytest.fixture(scope="module")
def client(lab: Lab) -> Client:
    return lab.client(IMAGE, MANY="300")


def items(lab: Lab, client: Client, archive: str) -> list[dict[str, Any]]:
    """Every field that borg stores of every item, but for atime, which each reading may change."""
    text = lab.borg(client.name, "debug", "dump-archive", f"::{archive}", "-")
    found: list[dict[str, Any]] = json.loads(text)["_items"]
    for item in found:
        item.pop("atime", None)
    return found


def test_every_field_of_every_item_is_that_of_borg_on_the_client(lab: Lab, client: Client) -> None:
    done = lab.plain("stream", "--json", "--init", client.address, TREE)
    assert done.rc == 0, done.stdout[-3000:] + done.stderr[-3000:]
    lab.by_hand(client, HAND, TREE)
    expected = items(lab, client, HAND)
    assert items(lab, client, done.result["data"]["archive"]) == expected
