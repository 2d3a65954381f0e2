"""Who looks at a repository never writes to it, whatever a writer has left or does just now."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support import looks_alone
from tests.support.lab import IMAGE, ROOT, TIMEOUT, WAITING, Client, Completed, Lab, docker
from tests.support.rounds import rounds

SECONDS = rounds(few=3, many=300)
pytestmark = [pytest.mark.docker, pytest.mark.timeout(120 + 2 * SECONDS)]
OWNER = 1000  # of the laboratory: the sidecars are not root
INSTALLED = True  # clients have borg: how it gets there is tested elsewhere
ITEMS = ["a", "b", "same"]


def case(*words: str) -> dict[str, Any]:
    options = ("--rm", "--network", "none", "-v", f"{ROOT}/tests:/t/tests:ro", "--workdir", "/t")
    program = ("--entrypoint", "python3", IMAGE, "-m", looks_alone.__name__)
    text = docker("run", *options, *program, *words, timeout=120 + 2 * SECONDS)
    found: dict[str, Any] = json.loads(text)
    return found


def test_each_look_tells_the_truth_in_each_state_and_leaves_it_as_it_is() -> None:
    found = case("states")
    restored = {"a": len(looks_alone.SECOND), "b": 3, "same": 3 << 20}
    for state, one in found.items():
        assert one["said"]["items"] == ITEMS, state
        assert one["said"].get("restore", restored) == restored, state
        assert one["changed"] == [], state
    assert "Read-only file system" in found["put_back"]["said"].pop("misled")
    assert found["put_back"]["said"] == {
        "list": ["first", "second"],
        "items": ITEMS,
        "find": ["b"],
        "diff": ["a", "b"],
        "browse": ITEMS,
        "info": "second",
        "restore": restored,
    }
    assert found["put_back"]["archives"] == ["first", "second", "third"]


def test_who_looks_looks_again_if_a_writer_was_faster() -> None:
    """A dead run's segment is removed, an index replaced, a segment compacted."""
    found = case("moving")
    assert found["before"] == found["after"] > 0
    assert found["got"] == found["left"] > 0


@pytest.mark.rounds
def test_nobody_fails_beside_writers_that_commit_all_the_time() -> None:
    found = case("race", str(SECONDS))
    print(f"{found['looks']} looks beside {found['commits']} archives", flush=True)
    assert (found["writer"], found["failed"]) == (0, []), found
    assert found["looks"] > SECONDS
    assert int(found["commits"]) > max(SECONDS, 11)


@pytest.fixture(scope="module")
def source(lab: Lab) -> Client:
    """A client whose second archive is committed, and has no index: its backup was killed there."""
    client = lab.client("borgpull-borg12-client", SEED="0", SFTP_READONLY="0")
    folder, before = lab.repo / client.name, lab.folder / "before"
    script = "mkdir -p /srv/a; cd /srv/a; echo first >x; head -c 3000000 /dev/urandom >y"
    client.exec("sh", "-c", script)
    lab.pull("stream", client, "/srv/a", "--archive", "one")
    before.mkdir()
    for path in _files(folder):
        shutil.copy2(path, before)
    client.exec("sh", "-c", "echo second >/srv/a/x")
    lab.pull("stream", client, "/srv/a", "--archive", "two")
    for path in _files(folder):
        path.unlink()
    for path in before.iterdir():
        shutil.copy2(path, folder)
    return client


def _files(folder: Path) -> list[Path]:
    return [path for path in folder.iterdir() if path.name.split(".")[0] in looks_alone.FILES]


@pytest.fixture(scope="module")
def read_only(lab: Lab, source: Client) -> Iterator[str]:
    """A container that has the repository mounted read-only."""
    name = f"ro-{lab.id}"
    options = ("-v", "/scratch", *WAITING)
    argv = lab.command(
        "infinity", rung="userns", options=options, passphrase=lab.passphrase, name=name
    )
    mount = f"{lab.repo}:/repo"
    argv = [f"{word}:ro" if word == mount else word for word in argv]
    docker(argv[1], "-d", *argv[2:])
    try:
        yield name
    finally:
        docker("rm", "-f", "-v", name)


def run(container: str, *words: str) -> Completed:
    argv = ["docker", "exec", container, "borgpull", *words]
    done = subprocess.run(argv, capture_output=True, timeout=TIMEOUT, check=False)
    made = Completed.of(words, done)
    assert made.rc == 0, f"{words}: {made.stdout} {made.stderr}"
    return made


def test_restores_and_drills_of_a_repository_whose_backup_was_killed(
    source: Client, read_only: str
) -> None:
    """It is mounted read-only, so nobody can mend it."""

    def restored(how: str) -> str:
        into = f"/srv/{how}"
        words = (source.name, "two", "--how", how, "--to", f"{source.address}:{into}")
        run(read_only, "restore", *words)
        return source.exec("cat", f"{into}/srv/a/x")

    for how in ("native", "tar", "stream", "numeric"):
        assert restored(how) == "second\n", how
    run(read_only, "info", source.name)
    drilled = run(read_only, "drill", "--json", "--allow-network", source.name).result["data"]
    assert (drilled["archive"], drilled["outcome"]) == ("two", "pass")
