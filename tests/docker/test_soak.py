"""What is too large for `make test`, which leaves it out by its marker: `make soak` runs it."""

from __future__ import annotations

import shutil
import time

import pytest

from tests.support.lab import Client, Lab

pytestmark = [pytest.mark.docker, pytest.mark.soak, pytest.mark.timeout(3600)]
OWNER = 1000
IMAGE, TREE = "borgpull-borg12-client", "/srv/soak"
FILES, BYTES = 10_000, 5_000_000_000
ROOM = 12_000_000_000  # the tree, its repository, and some more
PATIENCE = 1500.0  # seconds for a command that goes through all of it
# Content that cannot be compressed, and no two files alike.
MAKE = f"""
import os, random
dice = random.Random(1)
for number in range({FILES}):
    os.makedirs(f"{TREE}/tree/{{number % 100}}", exist_ok=True)
    with open(f"{TREE}/tree/{{number % 100}}/{{number}}", "wb") as file:
        file.write(os.urandom(dice.randrange(1_000, 1_010_000)))
"""
SUMS = f"find {TREE} -type f -exec sha256sum {{}} +"
MOVED = "/sys/class/net/eth0/statistics"


def moved(client: Client) -> int:
    """The bytes that have gone over the client's network, in both directions."""
    return sum(map(int, client.exec("cat", f"{MOVED}/tx_bytes", f"{MOVED}/rx_bytes").split()))


@pytest.fixture
def client(lab: Lab) -> Client:
    """With the tree, on a volume of its own. Fails where there is no room for all of it."""
    made = lab.client(IMAGE, options=("-v", TREE))
    there = int(made.exec("df", "--output=avail", "-B1", TREE).split()[-1])
    free = min(there, shutil.disk_usage(lab.folder).free)
    assert free > ROOM, f"{free:,} bytes are free, and {ROOM:,} are needed"
    made.exec("python3", "-c", MAKE)
    return made


def test_a_moved_tree_of_5_gb_moves_less_than_a_hundredth(lab: Lab, client: Client) -> None:
    size = int(client.exec("du", "-sb", f"{TREE}/tree").split()[0])
    assert size > BYTES
    found = {}
    for name, change in (("first", ":"), ("moved", f"cd {TREE}; mv tree another"), ("still", ":")):
        client.exec("sh", "-c", change)
        before, started = moved(client), time.monotonic()
        data = lab.pull("stream", client, "--archive", name, TREE, timeout=PATIENCE)["data"]
        found[name] = moved(client) - before
        assert data["items"]["-"] == FILES
        seconds = time.monotonic() - started
        print(f"{name}: {found[name]:,} of {size:,} bytes in {seconds:.0f} s", flush=True)
    assert found["first"] > size
    assert found["moved"] < size / 100
    assert found["still"] < size / 1000
    # What was not sent is in the archive all the same, to the last bit.
    told = client.exec("sh", "-c", SUMS).splitlines()
    words = ("--format", "{type} {sha256}  /{path}{NL}", "::moved")
    lines = lab.borg(client.name, "list", *words).splitlines()
    assert sorted(line[2:] for line in lines if line.startswith("- ")) == sorted(told)
