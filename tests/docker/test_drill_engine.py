"""Fault 40 of drills: the engine goes away half-way, and the drill ends all the same, not green."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.support.drills import await_gone, of_checks, volumes_of
from tests.support.engineproxy import EngineProxy
from tests.support.lab import Client, Completed, Lab, docker
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.docker, pytest.mark.timeout(300)]

OWNER = 1000
IMAGE, TREE = "borgpull-borg12-client", "/srv/data"
# The host's command, with less patience for an engine that does not answer.
IMPATIENT = """
import sys
from borgpull.launchers import lives
from borgpull.cli import main
lives.PULSE_SECONDS, lives.ANSWER_SECONDS, lives.DEAD_SECONDS = 0.2, 2, 3.0
sys.argv[0] = "borgpull"
sys.exit(main())
"""
# How it goes, and what runs then: the drill's own container, or a check's beside it.
GOES: dict[str, dict[str, Any]] = {
    "end": {"chroot": False},
    "hang": {"image": "borgpull-client"},
}


@pytest.fixture(scope="module")
def client(lab: Lab) -> Client:
    made = lab.client(IMAGE, MANY="20")
    lab.pull("stream", made, "--archive", "one", TREE)
    return made


def of_drills(client: Client, *options: str) -> list[str]:
    return docker("ps", "-q", *options, "-f", f"name=borgpull-{client.name}-").split()


@pytest.mark.parametrize("goes", GOES)
def test_the_engine_goes_away_half_way(lab: Lab, client: Client, tmp_path: Path, goes: str) -> None:
    check = {"name": "hangs", "run": "sleep 500", "timeout": 500, **GOES[goes]}
    (tmp_path / "checks.yaml").write_text(json.dumps([check]))
    words = ["--json", "--check", f"{tmp_path}/checks.yaml", client.name]
    argv = [sys.executable, "-c", IMPATIENT, *lab.host_argv("drill", *words)[1:]]
    before = lab.host("drills", "--json", client.name).result["data"]
    with EngineProxy(tmp_path) as engine, contextlib.ExitStack() as undo:
        env = {**os.environ, "DOCKER_HOST": engine.address}
        run = subprocess.Popen(argv, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        undo.enter_context(run)
        undo.callback(run.kill)
        wait_until(lambda: run.poll() is not None or checked(client))
        assert run.poll() is None, run.communicate()
        volumes = volumes_of(*of_drills(client))
        begun = time.monotonic()
        getattr(engine, goes)()
        texts = run.communicate(timeout=60)
        assert time.monotonic() - begun < 20
    done = Completed.of(words, subprocess.CompletedProcess(argv, run.returncode, *texts))
    data, failure = done.result["data"], done.result["failure"]
    assert (done.rc, data["outcome"]) == (91, "could not verify"), done.stderr
    assert len(data["reasons"]) == 1
    assert "engine has gone away" in data["reasons"][0], data["reasons"]
    assert failure["hint"]
    wait_until(lambda: not of_drills(client, "-a"))
    after = lab.host("drills", "--json", client.name).result["data"]
    assert (after["drills"], after["last_good"]) == (before["drills"], before["last_good"])
    wait_until(lambda: not of_checks(client.name, "-a"))
    await_gone(volumes)


def checked(client: Client) -> bool:
    """Does the check run?"""
    found = [*of_drills(client), *of_checks(client.name)]
    return any("sleep 500" in docker("top", name, check=False) for name in found)
