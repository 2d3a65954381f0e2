"""Manifests beside other methods than stream: another program than borg has seen the client."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from borgpull.state import ledger, manifests, samples
from borgpull.trees.manifest import Entry
from tests.support.lab import Client, Lab

pytestmark = [pytest.mark.docker, pytest.mark.timeout(600)]
OWNER = 1000
INSTALLED = True  # clients have borg: how it gets there is tested elsewhere
IMAGE, TREE = "borgpull-borg12-client", "/srv/data"
SECOND = 10**9
# SFTP has no such times: nobody can say that they are right.
NO_TIME = {f"{TREE[1:]}/times/before-1970", f"{TREE[1:]}/times/after-2038"}
# A file that is written all the while. Once it is there, the run begins.
WRITES = f"while :; do date >>{TREE}/files/log; done"


def entries(lab: Lab, client: Client, data: dict[str, Any]) -> dict[str, Entry]:
    """Those of the last run, by their paths."""
    archive = ledger.entries(lab.state, client.name)[-1]
    assert archive["archive"] == data["archive"]
    with manifests.opened(lab.state, client.name, archive["id"]) as opened:
        found = list(opened)
    assert data["manifest"]["entries"] == len(found)
    assert data["manifest"]["number"] == opened.number
    return {entry.item.path: entry for entry in found}


@pytest.fixture(scope="module")
def client(lab: Lab) -> Client:
    return lab.client(IMAGE, MANY="300")


@pytest.fixture(scope="module")
def expected(lab: Lab, client: Client) -> dict[str, Entry]:
    return entries(lab, client, lab.pull("stream", client, TREE)["data"])


def sums(found: dict[str, Entry]) -> dict[str, str]:
    return {path: entry.sha256 for path, entry in found.items() if entry.sha256}


def test_a_file_is_hashed_once_and_then_a_drill_passes(lab: Lab, client: Client) -> None:
    """What stays the same keeps its sum. An edited file loses it, and gets another one."""
    first = lab.pull("pipe", client, TREE)["data"]
    had = sums(entries(lab, client, first))
    assert (first["manifest"]["hashed"], first["manifest"]["earlier"]) == (len(had), 0)
    client.exec("sh", "-c", f"cd {TREE}; echo new >files/edited; mv many/*/file-000017 many/moved")
    second = lab.pull("pipe", client, TREE)["data"]
    has = sums(entries(lab, client, second))
    edited, moved = (f"{TREE[1:]}/{name}" for name in ("files/edited", "many/moved"))
    assert has.keys() - had.keys() == {edited, moved}
    counts = second["manifest"]
    assert counts["hashed"] == len(has) > counts["earlier"] > 0.8 * len(has)
    assert "differs" not in counts
    assert lab.drill(client.name).rc == 0


def test_pipe_has_the_manifest_that_stream_has(
    lab: Lab, client: Client, expected: dict[str, Entry]
) -> None:
    """And tells what changes meanwhile, which the excluded are no part of."""
    client.exec("sh", "-c", WRITES, detach=True)
    words = ("--exclude", f"{TREE}/modes", TREE)
    data = lab.pull("pipe", client, *words)["data"]
    client.exec("pkill", "-f", "while")
    found = entries(lab, client, data)
    unsure = {path for path, entry in found.items() if not entry.sure}
    # The folder had a new entry just before the run began.
    assert {"srv/data/files/log"} <= unsure <= {"srv/data/files/log", "srv/data/files"}
    assert data["manifest"]["unsure"] == len(unsure)
    wanted = {path for path in expected if not path.startswith("srv/data/modes")}
    assert found.keys() == wanted | {"srv/data/files/log"}
    for path in wanted - unsure - {"srv/data/files"}:
        assert found[path]._replace(sha256=None) == expected[path]._replace(sha256=None)
    # Sums of stream's manifest are as good as any.
    assert sums(found) == {path: one for path, one in sums(expected).items() if path in found}
    assert data["manifest"] == {**data["manifest"], "reader": "python", "hashed": len(sums(found))}
    client.exec("rm", f"{TREE}/files/log")


def test_sshfs_has_what_the_client_had(
    lab: Lab, client: Client, expected: dict[str, Entry]
) -> None:
    """What sshfs does not keep is no part of it, and no difference."""
    result = lab.backup(client, TREE)
    found = entries(lab, client, result["data"])
    assert found.keys() == expected.keys()
    unsure = {path for path, entry in found.items() if not entry.sure}
    assert unsure - {"srv/data/files"} == NO_TIME  # which had another entry, just before
    for path in found.keys() - {"srv/data/files"}:
        entry, had = found[path], expected[path].item
        assert entry.item.mtime_ns == had.mtime_ns // SECOND * SECOND
        assert entry.item[:3] == had[:3] and entry.item[4:9] == had[4:9]
        assert (entry.xattrs, entry.item.links, entry.ns) == (None, None, False)
        assert entry.sha256 == expected[path].sha256 or path in unsure or expected[path].item.links


def test_a_client_without_a_python_is_listed_by_its_find(lab: Lab) -> None:
    """What find cannot see is not known: nothing of it is taken for absent."""
    plain = lab.client(MANY="30")
    data = lab.pull("socat", plain, TREE)["data"]
    found = entries(lab, plain, data)
    assert (data["manifest"]["reader"], data["manifest"]["hashed"]) == ("find", 0)
    assert len(found) > 50
    assert {path for path, entry in found.items() if not entry.sure} == set()
    assert {(entry.xattrs, entry.access, entry.item.flags) for entry in found.values()} == {
        (None, None, None)
    }
    assert any(entry.item.links for entry in found.values())


# Files of a tree, of which a run hashes so many; and a witness that reads no more than that.
FILES, EACH, SIZE = 6, 3, 100_000
PACKAGE = "/usr/local/lib/python3.13/dist-packages/borgpull"
MAKE = f"""
mkdir {TREE}/some; cd {TREE}/some
for n in $(seq {FILES}); do head -c {SIZE} /dev/urandom >$n; done
"""


def test_each_file_is_proved_once_one_of_the_runs_has_hashed_it(lab: Lab, tmp_path: Path) -> None:
    """And none before that. The drills' coverage is of the same files."""
    client = lab.client(IMAGE, MANY="1")  # root has written to the other one's repository
    client.exec("sh", "-c", MAKE)
    here = {
        f"{TREE[1:]}/some/{line.split()[1]}": line.split()[0]
        for line in client.exec("sh", "-c", f"cd {TREE}/some; sha256sum *").splitlines()
    }
    module = Path(samples.__file__)
    less = tmp_path / module.name
    few, text = f"BYTES, SECONDS = {EACH * SIZE * 4 // 3}, 30.0", module.read_text()
    # No file has its turn, whether it has a sum or not: only those without one are chosen.
    for old, new in ((r"^BYTES, SECONDS = .*$", few), (r"^SHARE = .*$", f"SHARE = {10**12}")):
        text, count = re.subn(old, new, text, flags=re.MULTILINE)
        assert count == 1, old
    less.write_text(text)
    options = ("-v", f"{less}:{PACKAGE}/state/{module.name}:ro")
    known: dict[str, str] = {}
    for run in range(1, FILES // EACH + 1):
        data = lab.pull("pipe", client, f"{TREE}/some", options=options)["data"]
        has = sums(entries(lab, client, data))
        assert has.items() <= here.items()
        assert has.items() >= known.items()
        assert len(has) == data["manifest"]["hashed"] == run * EACH
        known = has
        if run == 1 or len(has) == FILES:
            whole = len(has) == FILES
            done = lab.drill(client.name)
            found = done.result["data"]
            assert (done.rc, found["differs"]) == (0 if whole else 91, {}), found["reasons"]
            assert found["restored"]["files"] == FILES
            assert found["proved"] == {"files": len(has), "bytes": len(has) * SIZE}
            assert found["unproved"]["files"] == FILES - len(has)
            assert found["coverage"]["proved"] == found["proved"]
            assert found["coverage"]["all"] == found["restored"]
