"""Restores by stream: nothing is lost, nothing is left, and the target is not believed."""

from __future__ import annotations

import pytest

from tests.support.lab import Client, Completed, Lab
from tests.support.restores import INTO, TREE, UNAVOIDABLE, differences, ok, saved

pytestmark = [pytest.mark.docker, pytest.mark.timeout(600)]
OWNER = 1000  # of the laboratory: the sidecars are not root

PYTHON = "borgpull-borg12-client"  # the client that has one


@pytest.fixture(scope="module")
def source(lab: Lab) -> Client:
    """A client with one archive, `all`."""
    return saved(lab)


@pytest.fixture(scope="module")
def target(lab: Lab) -> Client:
    return lab.client(PYTHON, SEED="0")


def by_stream(lab: Lab, source: Client, to: str, *words: str) -> Completed:
    return lab.plain("restore", "--json", "--how", "stream", source.name, "--to", to, *words)


def emptied(target: Client) -> str:
    """The address of the target's folder, empty."""
    target.exec("sh", "-c", f"rm -rf {INTO}/* {INTO}/.[!.]*; chmod 755 {INTO}")
    return f"{target.address}:{INTO}"


def everything(client: Client) -> list[str]:
    """Sorted: overlayfs may list a folder in another order each time."""
    return sorted(client.exec("find", "/", "-xdev", "-not", "-path", "/proc/*").splitlines())


def test_everything_comes_back(lab: Lab, source: Client, target: Client, rsync: str) -> None:
    to, before = emptied(target), everything(target)
    plan = ok(by_stream(lab, source, to, "all", "--dry-run"))
    assert (plan["dry_run"], plan["overwritten"], plan["cannot"]) == (True, 0, {})
    assert everything(target) == before

    data = ok(by_stream(lab, source, to, "all"))
    assert (data["how"], data["not_restored"], data["warnings"]) == ("stream", {}, [])
    assert data["items"] == plan["items"] > 350
    assert differences(rsync, source, target) == UNAVOIDABLE
    assert everything(target) == before  # but for a volume

    # Not over what is there, but to finish it; and then not what is right.
    assert by_stream(lab, source, to, "all").rc == 82
    tree = f"{INTO}{TREE}"
    kept = target.exec("stat", "-c", "%i", f"{tree}/many/0000/file-000007")
    script = (
        "rm links/hard-2 many/0000/file-000003 names/*caf*; rm -r owners; echo x >files/plain.txt"
    )
    target.exec("sh", "-c", f"cd {tree} && {script}")
    rest = ok(by_stream(lab, source, to, "all", "--overwrite", "changed"))
    assert 300 < rest["skipped"] < rest["items"] - 6
    assert differences(rsync, source, target) == UNAVOIDABLE
    assert target.exec("stat", "-c", "%i", f"{tree}/many/0000/file-000007") == kept
    # Over everything, in its place.
    ok(by_stream(lab, source, to, "all", "--overwrite", "always"))
    assert differences(rsync, source, target) == UNAVOIDABLE
