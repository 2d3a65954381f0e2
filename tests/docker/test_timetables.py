"""What `render` makes, run by the programs that it is for: systemd, podman's quadlet, compose."""

from __future__ import annotations

import re
import shlex
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from borgpull.cli.options import Where
from borgpull.launchers.needs import STOP_SECONDS
from borgpull.renderers import RENDERERS
from tests.support.lab import HOST_CLI, IMAGE, TIMEOUT, Client, Lab, docker, pause
from tests.support.machine import QUADLETS, Machine, machine
from tests.support.rendered import (
    COMMANDS,
    ODD,
    Given,
    assert_as_planned,
    at_rung,
    command_line,
    keys,
    of_run,
    planned,
)

pytestmark = [pytest.mark.docker, pytest.mark.timeout(300)]

# A name for its folder that each form must quote.
FOLDER = 'the "repo", 50% of $it'
SIGTERM = 15


@pytest.fixture(scope="module")
def client(lab: Lab) -> Client:
    return lab.client(MANY="5")


@pytest.fixture(scope="module")
def host(lab: Lab) -> Iterator[Machine]:
    with machine(lab) as made:
        yield made


def rendered(lab: Lab, form: str, name: str, *words: str) -> dict[str, str]:
    """By the command, as the files that it has written."""
    odd = lab.folder / FOLDER
    if not odd.is_symlink():
        odd.symlink_to(lab.repo)
    folder = lab.folder / form / name
    options = ["--name", name, "--schedule", "30 2 * * *", "--timezone", "Europe/Berlin"]
    options += ["--image", IMAGE, "--output", str(folder), "--ssh-key", str(lab.key)]
    options += ["--repo", str(odd), "--state", str(lab.state)]
    options += ["--passphrase-file", str(lab.key.parent / "passphrase")]
    if words[0] not in ("prune", "check"):
        options += ["--network", lab.network]
    argv = [str(HOST_CLI), "render", form, *options, "--", *words]
    subprocess.run(argv, capture_output=True, check=True, timeout=60)
    return {path.name: path.read_text() for path in folder.iterdir()}


def archives(lab: Lab, client: Client) -> list[str]:
    return lab.borg(client.name, "list", "--short").split()


def test_compose_runs_each_kind_of_job(lab: Lab, client: Client) -> None:
    jobs = {
        "pipe": ["pipe", "--init", client.address, "/etc/ssh"],
        "sshfs": ["sshfs", client.address, "/etc/ssh"],
        "prune": ["prune", client.name, "--keep-last", "1"],
        "check": ["check", client.name],
    }
    before = len(archives(lab, client)) if (lab.repo / client.name).exists() else 0
    for name, words in jobs.items():
        rendered(lab, "compose", name, *words)
        file = lab.folder / "compose" / name / f"{name}.yaml"
        docker("compose", "-f", str(file), "run", "--rm", "-T", name)
        if name == "sshfs":
            assert len(archives(lab, client)) == before + 2
    assert len(archives(lab, client)) == 1


def test_compose_makes_nothing_that_is_not_there(lab: Lab, client: Client) -> None:
    rendered(lab, "compose", "lost", "check", client.name)
    file = lab.folder / "compose" / "lost" / "lost.yaml"
    file.write_text(file.read_text().replace(str(lab.state), f"{lab.state}-lost"))
    argv = ["docker", "compose", "-f", str(file), "run", "--rm", "-T", "lost"]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=TIMEOUT, check=False)
    assert done.returncode != 0
    assert f"{lab.state}-lost" in done.stderr
    assert not Path(f"{lab.state}-lost").exists()


def test_compose_ends_a_job_that_its_command_has_left(lab: Lab, client: Client) -> None:
    """By `down`, as docs/schedule.md says: compose passes no signal on without a terminal."""
    name = f"left-{lab.id}"
    rendered(lab, "compose", name, "pipe", "--init", client.address, "/etc/ssh")
    compose = ["docker", "compose", "-f", str(lab.folder / "compose" / name / f"{name}.yaml")]
    pause(client.name)
    try:
        command = subprocess.Popen([*compose, "run", "--rm", "-T", name], stderr=subprocess.PIPE)
        until(lambda: project(name) == ["running"])
        command.terminate()
        command.communicate(timeout=TIMEOUT)
        subprocess.run([*compose, "down", "--remove-orphans"], check=True, timeout=TIMEOUT)
        until(lambda: project(name) == [])
    finally:
        docker("unpause", client.name)


def project(name: str) -> list[str]:
    """The states of its containers."""
    label = f"label=com.docker.compose.project=borgpull-{name}"
    return docker("ps", "-a", "--filter", label, "--format", "{{.State}}").split()


@pytest.mark.parametrize("method", ["pipe", "sshfs"])
def test_systemd_runs_a_backup(lab: Lab, client: Client, host: Machine, method: str) -> None:
    unit = f"{method}-{lab.id}"
    words = [method, "--init", client.address, "/etc/ssh"]
    host.put(rendered(lab, "systemd", unit, *words), lab.folder / "units")
    host.systemctl("daemon-reload")
    # As if docker's command had been killed between two steps: the name is taken.
    taken = ["--name", f"borgpull-{unit}", "--label", f"borgpull.unit={unit}"]
    docker("create", *taken, "--network", "none", IMAGE)
    done = host.systemctl("start", f"{unit}.service")
    assert done.returncode == 0, host.journal(unit)
    assert "is verified" in host.journal(unit)
    assert archives(lab, client)[-1].startswith(client.name)
    assert host.systemctl("enable", "--now", f"{unit}.timer").returncode == 0
    shown = host.show(f"{unit}.timer", "NextElapseUSecRealtime", "ActiveState")
    assert shown["ActiveState"] == "active"
    assert re.search(r" 0[01]:30:00 UTC$", shown["NextElapseUSecRealtime"])  # 2:30 in Berlin
    host.systemctl("disable", "--now", f"{unit}.timer")


@pytest.fixture
def running(lab: Lab, client: Client, host: Machine) -> Iterator[str]:
    """A unit whose job does not end by itself: the client is frozen."""
    unit = f"slow-{lab.id}"
    words = ["pipe", "--init", client.address, "/etc/ssh"]
    host.put(rendered(lab, "systemd", unit, *words), lab.folder / "units")
    host.systemctl("daemon-reload")
    pause(client.name)
    try:
        host.systemctl("start", "--no-block", f"{unit}.service")
        until(lambda: containers(unit) == ["running"])
        yield unit
    finally:
        docker("unpause", client.name)
        host.systemctl("stop", f"{unit}.service")
        docker("rm", "-f", f"borgpull-{unit}", check=False)


def containers(unit: str) -> list[str]:
    filters = ["--filter", f"label=borgpull.unit={unit}", "--format", "{{.State}}"]
    return docker("ps", "-a", *filters).split()


def until(true: Callable[[], bool], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_a_stop_ends_the_container(host: Machine, running: str) -> None:
    started = time.monotonic()
    assert host.systemctl("stop", f"{running}.service").returncode == 0
    assert time.monotonic() - started < STOP_SECONDS
    until(lambda: containers(running) == [])
    shown = host.show(f"{running}.service", "Result", "ExecMainStatus", "ActiveState")
    assert shown == {
        "Result": "exit-code",
        "ExecMainStatus": str(128 + SIGTERM),
        "ActiveState": "failed",
    }


def test_a_killed_command_takes_the_container_along(host: Machine, running: str) -> None:
    host.systemctl("kill", "--signal=KILL", "--kill-who=main", f"{running}.service")
    state = f"{running}.service"
    until(lambda: host.show(state, "ActiveState") == {"ActiveState": "failed"})
    # Long before the job would give up by itself.
    until(lambda: containers(running) == [], 5)
    assert host.show(state, "Result") == {"Result": "signal"}


def test_one_at_a_time(lab: Lab, host: Machine, running: str) -> None:
    """A second start is the first one; and by hand, the name is taken."""
    host.systemctl("start", "--no-block", f"{running}.service")
    unit = (lab.folder / "units" / f"{running}.service").read_text()
    (start,) = keys(unit)["Service.ExecStart"]
    done = subprocess.run(
        command_line(start), capture_output=True, text=True, timeout=TIMEOUT, check=False
    )
    assert done.returncode == 125
    assert "already in use" in done.stderr
    # What runs is no leftover of a run before.
    before = shlex.split(keys(unit)["Service.ExecStartPre"][0].removeprefix("-"))
    subprocess.run(before, capture_output=True, check=True, timeout=TIMEOUT)
    assert containers(running) == ["running"]


def test_podman_takes_the_units(lab: Lab, host: Machine) -> None:
    """Its generator makes services of them, about which systemd has nothing to say."""
    plans = {
        f"job{number}-{rung}": planned(words, name=f"job{number}-{rung}", launch=at_rung(rung))
        for number, words in enumerate(COMMANDS.values())
        for rung in ("userns", "sys-admin")
    }
    words = ["pipe", "root@web1", *ODD]
    plans["odd"] = planned(words, name="odd", where=Where(repo="/srv/50%é,;#", state="volume"))
    for plan in plans.values():
        for name, text in RENDERERS["quadlet"](plan).items():
            (lab.folder / "quadlet").mkdir(exist_ok=True)
            (lab.folder / "quadlet" / name).write_text(text)
    host.put({}, lab.folder / "quadlet", QUADLETS)
    services = host.generated()
    assert set(services) == set(plans)
    for name, text in services.items():
        assert_as_planned(of_podman(text), plans[name])
    host.systemctl("daemon-reload")
    paths = [f"/run/systemd/generator/{name}.service" for name in plans]
    done = host.run("systemd-analyze", "verify", "--man=no", *paths)
    assert (done.returncode, done.stderr) == (0, "")


def of_podman(service: str) -> Given:
    """What the generated service tells podman."""
    unit = keys(service)
    assert unit["Service.Type"] == ["oneshot"]
    assert unit["Service.KillMode"] == ["mixed"]
    program, run, *argv = command_line(*unit["Service.ExecStart"])
    assert (program, run) == ("/usr/bin/podman", "run")
    return of_run(argv)
