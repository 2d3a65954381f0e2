"""Checks of a drill in images of the user's own: one container each, and nothing of it is left."""

from __future__ import annotations

import json
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from tests.support.drills import await_gone, of_checks, volumes_of
from tests.support.lab import Client, Lab, docker
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.docker, pytest.mark.timeout(600)]

OWNER = 1000
PYTHON = "borgpull-borg12-client"
THEIRS = "borgpull-client"  # an image that is not the drill's: it has volumes, and the user alice
TREE = "/srv/data"
# A check, and its outcome.
CHECKS: dict[str, tuple[str, dict[str, Any], str]] = {
    "reads": ("grep -q 1 $BORGPULL_RESTORED/srv/data/marked", {}, "pass"),
    "another-user": (
        "test $(id -un) = alice && cat $BORGPULL_RESTORED/srv/data/marked",
        {"user": "alice", "output": "^1$"},
        "pass",
    ),
    "writes": ("touch $BORGPULL_RESTORED/srv/data/lock", {}, "pass"),
    "sees-nothing-else": ("ls /repo /state /run/secrets", {"expect": 2}, "pass"),
    "has-no-network": ("test $(ls /sys/class/net | grep -vxc lo) -gt 0", {"expect": 1}, "pass"),
    "says-no": ("grep -q 2 $BORGPULL_RESTORED/srv/data/marked", {}, "differs"),
    "not-there": ("no-such-program", {}, "could not verify"),
    "killed": ("kill -9 $$; sh -c 'kill -9 $$'", {}, "could not verify"),
    "loud": ("yes", {"timeout": 60}, "could not verify"),
    "slow": ("sleep 100", {"timeout": 1}, "could not verify"),
    "no-image": ("true", {"image": "borgpull-no-such-image"}, "could not verify"),
    "nobody": ("true", {"user": "no-such-user"}, "could not verify"),
    "no-shell": ("true", {"image": "borgpull-test-empty"}, "could not verify"),
}


@pytest.fixture(scope="module")
def client(lab: Lab) -> Client:
    made = lab.client(PYTHON, SEED="0")
    made.exec("sh", "-c", f"echo 1 >{TREE}/marked; chmod 644 {TREE}/marked")
    lab.pull("stream", made, "/srv")
    return made


def written(path: Path, checks: list[dict[str, Any]]) -> str:
    path.write_text(json.dumps(checks))  # JSON is YAML, too
    return str(path)


def test_outcomes(lab: Lab, client: Client, tmp_path: Path) -> None:
    docker("import", "/dev/null", "borgpull-test-empty")
    try:
        checks = [
            {"name": name, "run": run, "image": THEIRS, **more}
            for name, (run, more, _) in CHECKS.items()
        ]
        file = written(tmp_path / "checks.yaml", checks)
        done = lab.host("drill", "--json", client.name, "--check", file)
    finally:
        docker("rmi", "borgpull-test-empty")
    data = done.result["data"]
    found = {one["name"]: one["outcome"] for one in data["checks"]}
    assert found == {name: outcome for name, (_, _, outcome) in CHECKS.items()}, data["checks"]
    assert (done.rc, data["differs"]) == (90, {})
    assert {one["image"] for one in data["checks"]} >= {THEIRS, "borgpull-no-such-image"}
    assert not [event for event in done.events if event["event"] == "ask"]
    assert not of_checks(client.name, "-a")


def test_where_no_other_container_can_be_started(lab: Lab, client: Client, tmp_path: Path) -> None:
    file = written(tmp_path / "checks.yaml", [{"name": "one", "run": "true", "image": THEIRS}])
    mount = ("-v", "/scratch", "-v", f"{file}:/checks.yaml:ro")
    done = lab.drill(client.name, "--check", "/checks.yaml", options=mount)
    data = done.result["data"]
    assert (done.rc, data["outcome"]) == (91, "could not verify")
    assert "command of the host" in data["checks"][0]["detail"]


def test_a_killed_launcher_leaves_a_check_for_the_next_run_to_sweep(
    lab: Lab, client: Client, tmp_path: Path
) -> None:
    check = {"name": "hangs", "run": "sleep 1000", "image": THEIRS, "timeout": 1000}
    file = written(tmp_path / "checks.yaml", [check])
    run = lab.start_host("drill", client.name, "--check", file)
    wait_until(lambda: of_checks(client.name), run.output)
    drill = docker("ps", "-q", "--filter", f"name=borgpull-{client.name}").split()
    volumes = volumes_of(*of_checks(client.name), *drill)
    run.send_signal(signal.SIGKILL)
    run.wait(60)
    wait_until(lambda: not docker("ps", "-aq", "--filter", f"id={drill[0]}").split(), run.output)
    lab.host("drills", client.name)
    wait_until(lambda: not of_checks(client.name, "-a"), lambda: "it is there still")
    await_gone(volumes)


def test_a_signal_ends_the_check_too(lab: Lab, client: Client, tmp_path: Path) -> None:
    check = {"name": "hangs", "run": "sleep 1000", "image": THEIRS, "timeout": 1000}
    run = lab.start_host("drill", client.name, "--check", written(tmp_path / "c.yaml", [check]))
    wait_until(lambda: of_checks(client.name), run.output)
    drill = docker("ps", "-q", "--filter", f"name=borgpull-{client.name}").split()
    volumes = volumes_of(*of_checks(client.name), *drill)
    begun = time.monotonic()
    run.send_signal(signal.SIGTERM)
    assert run.wait(60) == 143, run.output()
    assert time.monotonic() - begun < 20
    assert not of_checks(client.name, "-a")
    await_gone(volumes)
