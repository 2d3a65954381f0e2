"""Restores that cannot come to their end: a target that fills up, one that is read-only."""

from __future__ import annotations

import pytest

from tests.support.lab import Client, Completed, Lab

pytestmark = [pytest.mark.docker, pytest.mark.timeout(600)]
OWNER = 1000  # of the laboratory: the sidecars are not root
INSTALLED = True  # clients have borg: how it gets there is tested elsewhere

PYTHON = "borgpull-borg12-client"  # the client that has one
TREE, SMALL = "/srv/data/big", "/srv/small"
INTO = f"{SMALL}/new"
# 48 MB that do not compress, and small ones between them. Of a small one borg notices at its close
# that there is no room, and dies of that.
SEED = f"""
mkdir {TREE} && cd {TREE}
for n in $(seq 24); do head -c 2000000 /dev/urandom >f$n; echo $n >small-$n; done
"""
# Takes all the room as soon as the first file is there whole, whichever that is: at the second one.
FILLER = f"""
until set -- {INTO}{TREE}/*; [ $# -ge 2 ]; do :; done; exec cat /dev/zero >{SMALL}/filler
"""


@pytest.fixture(scope="module")
def source(lab: Lab) -> Client:
    client = lab.client(SEED="0")
    client.exec("sh", "-c", SEED)
    lab.pull("stream", client, TREE)
    return client


def restore(lab: Lab, source: Client, how: str, to: str, *words: str) -> Completed:
    argv = ("restore", "--json", source.name, "latest", "--how", how, "--to", to, *words)
    return lab.sidecar(*argv) if how == "numeric" else lab.plain(*argv)


def sums(client: Client, folder: str) -> dict[str, str]:
    lines = client.exec("sh", "-c", f"cd {folder} && sha256sum -- *").splitlines()
    return {name: digest for digest, _, name in (line.partition("  ") for line in lines)}


@pytest.mark.parametrize("how", ["stream", "native", "numeric", "tar"])
def test_a_target_that_fills_up(lab: Lab, source: Client, how: str) -> None:
    options = ["--tmpfs", f"{SMALL}:size=64m,mode=755"]
    target = lab.client(PYTHON, SEED="0", SFTP_READONLY="0", options=options)
    target.exec("sh", "-c", FILLER, detach=True)
    to = f"{target.address}:{INTO}"

    done = restore(lab, source, how, to)
    assert done.rc == 81, done.stdout[-3000:] + done.stderr
    failure = done.result["failure"]
    assert "no room; not restored: " in failure["message"]
    assert "\n" not in failure["message"]
    assert len(failure["message"]) < 600
    # What is there is there whole; and not all is.
    whole, found = sums(source, TREE), sums(target, f"{INTO}{TREE}")
    assert 0 < len(found) < len(whole)
    assert found.items() <= whole.items()

    target.exec("rm", f"{SMALL}/filler")
    again = restore(lab, source, how, to, "--overwrite", "changed")
    assert again.rc == 0, again.stdout[-3000:] + again.stderr
    assert again.result["data"]["skipped"] == len(found)
    assert sums(target, f"{INTO}{TREE}") == whole


def test_a_read_only_target(lab: Lab, source: Client) -> None:
    target = lab.client(PYTHON, SEED="0", SFTP_READONLY="0", options=["--tmpfs", f"{SMALL}:ro"])
    for how in ("stream", "native", "numeric", "tar"):
        for folder in (SMALL, INTO):
            done = restore(lab, source, how, f"{target.address}:{folder}")
            assert done.rc == 82, done.stdout + done.stderr
            assert folder in done.result["failure"]["message"]
            assert not any(event.get("phase") == "extract" for event in done.events)
