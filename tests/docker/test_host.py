"""Backups with borg on the client, and restores, by the host's command: its sidecar is root."""

from __future__ import annotations

import json
import signal
from typing import Any

import pytest

from tests.support import ends
from tests.support.lab import PLAIN, Client, Completed, Lab, docker, pause
from tests.support.waiting import wait_until

pytestmark = pytest.mark.docker


@pytest.fixture(scope="module")
def client(lab: Lab) -> Client:
    return lab.client(MANY="20")


@pytest.mark.parametrize("method", ["pipe", "agent"])
def test_a_backup(lab: Lab, client: Client, method: str) -> None:
    for more in (["--init"], []):
        done = lab.host(method, *more, "--name", method, client.address, "/srv/data")
        assert done.rc == 0, done.stderr
        assert "is verified" in done.stdout
    assert "read 0 files" in done.stdout
    owners = {path.stat().st_uid for path in (lab.repo / method).rglob("*")}
    assert owners == {0}
    assert len(lab.host("list", "--json", method).result["data"]["archives"]) == 2


def test_the_last_word(lab: Lab, client: Client) -> None:
    """In a container by a file that is mounted, as a kubelet does it; here by an option."""
    file = lab.folder / "termination-log"
    there = "/dev/termination-log"
    options = [*PLAIN[:-2], "-e", f"BORGPULL_RESULT_FILE={there}", "-v", f"{file}:{there}"]

    def told() -> dict[str, Any]:
        return dict(json.loads(file.read_text()))

    file.touch()
    file.chmod(0o666)
    words = ("--init", "--name", "last", client.address, "/srv/data")
    done = lab.sidecar("pipe", "--json", *words, rung="none", options=options)
    assert done.rc == 0, done.stderr
    found = told()
    assert (found["client"], found["exit_code"], found["verified"]) == ("last", 0, True)
    assert found["archive"] == done.result["data"]["archive"]
    assert found["warnings"] == len([e for e in done.events if e["event"] == "warning"])
    done = lab.host("pipe", "--result-file", str(file), "--name", "last", client.address, "/none")
    assert (done.rc, told()["exit_code"], told()["verified"]) == (36, 36, False)
    assert told()["message"] in done.stderr

    pause(client.name)
    try:
        run = lab.start_sidecar("pipe", *words, rung="none", options=options)
        ends.await_text(run, "connecting to")
        ends.kill_inside(run.name, "borgpull", signum=signal.SIGKILL)
        assert run.wait(60) == 137, run.output()
    finally:
        docker("unpause", client.name)
    assert (told()["exit_code"], told()["verb"], told()["message"]) == (
        *(137, "pipe", "ended by signal 9"),
    )


def test_restores(lab: Lab, client: Client) -> None:
    """To a client, and into a folder of the host that is not there yet."""
    tree = "/srv/data/owners"
    assert lab.host("pipe", "--init", "--name", "back", client.address, tree).rc == 0
    before = {path: path.stat().st_mtime_ns for path in (lab.repo / "back").rglob("*")}

    where = f"{client.address}:/srv/hostile"
    to = ("--how", "native", "--to", where)
    done = lab.host("restore", "back", "latest", *to)
    assert done.rc == 0, done.stderr
    assert where in done.stdout
    client.exec("diff", "-r", "--no-dereference", tree, f"/srv/hostile{tree}")
    assert client.exec("stat", "-c", "%U:%G", f"/srv/hostile{tree}/alice") == "alice:alice\n"

    folder = lab.folder / "new" / "folder"
    done = lab.host("restore", "back", "latest", "--to", str(folder))
    assert done.rc == 0, done.stderr
    assert f"to {folder}:" in done.stdout
    assert (folder / "srv/data/owners/alice").stat().st_uid == 4711
    again = lab.host("restore", "back", "latest", "--to", str(folder))
    assert (again.rc, again.stderr.count("error: ")) == (82, 1)
    assert {path: path.stat().st_mtime_ns for path in before} == before


def test_json_of_verbs_that_only_tell(lab: Lab, client: Client) -> None:
    """Of the others, other tests read it."""
    found = lab.host("trust", "--json", "--yes", client.address).result["data"]
    assert (found["added"], set(found["pinned"])) == (True, set(found["offered"]))
    assert lab.sidecar("tidy", "--json", rung="none").result["data"] == {"freed": []}


def test_serve_only(lab: Lab, client: Client) -> None:
    """The socket is on the host, where ssh -R is typed."""
    assert lab.host("init", "--json", "served").result["data"]["encryption"] == "repokey-blake2"
    run = lab.start_host("socat", "--serve-only", "--json", "--name", "served", client.address)
    try:
        socket = lab.state / "clients" / "served" / "serve.sock"
        wait_until(lambda: "there: borg create" in run.output(), run.output)
        assert socket.is_socket()
        run.send_signal(15)
        assert run.wait(60) == 128 + 15, run.output()
        assert not socket.exists()
        told = Completed(128 + 15, run.output(), "")
        assert [event["event"] for event in told.events][-2:] == ["note", "result"]
        assert told.result["failure"]["exit_code"] == told.rc
    finally:
        if run.poll() is None:
            run.popen.kill()
