"""What `render` makes, run by the programs that it is for: systemd, podman's quadlet, compose."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from borgpull.cli.options import Where
from borgpull.errors import NotProved
from borgpull.launchers.needs import STOP_SECONDS
from borgpull.renderers import RENDERERS
from tests.support.lab import HOST_CLI, IMAGE, TIMEOUT, Client, Lab, docker, pause
from tests.support.machine import QUADLETS, Machine, machine
from tests.support.rendered import (
    COMMANDS,
    DRILLS,
    ODD,
    Given,
    assert_as_planned,
    at_rung,
    command_line,
    keys,
    of_run,
    planned,
)
from tests.support.started import ends_with_the_test

pytestmark = [pytest.mark.docker, pytest.mark.timeout(300)]
INSTALLED = True  # clients have borg: how it gets there is tested elsewhere

# A name for its folder that each form must quote.
FOLDER = 'the "repo", 50% of $it'
SIGTERM = 15


@pytest.fixture(scope="module")
def client(lab: Lab) -> Client:
    """With a Python, so that `stream` reads all that a drill compares."""
    return lab.client("borgpull-borg12-client", MANY="5")


@pytest.fixture(scope="module")
def host(lab: Lab) -> Iterator[Machine]:
    with machine(lab) as made:
        yield made


def rendered(
    lab: Lab, form: str, name: str, *words: str, more: tuple[str, ...] = ()
) -> dict[str, str]:
    """By the command, as the files that it has written; `more` are options of `render`."""
    odd = lab.folder / FOLDER
    if not odd.is_symlink():
        odd.symlink_to(lab.repo)
    folder = lab.folder / form / name
    options = ["--name", name, "--schedule", "30 2 * * *", "--timezone", "Europe/Berlin"]
    options += ["--image", IMAGE, "--output", str(folder), "--ssh-key", str(lab.key)]
    options += ["--repo", str(odd), "--state", str(lab.state)]
    options += ["--passphrase-file", str(lab.key.parent / "passphrase")]
    options += more
    if words[0] not in ("prune", "check", "drill"):
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
        "stream": ["stream", client.address, "/etc/ssh"],
        "drill": ["drill", client.name],
        "prune": ["prune", client.name, "--keep-last", "1"],
        "check": ["check", client.name],
    }
    more = {"drill": ("--scratch", "tmpfs:64M", "--memory", "512M")}
    before = len(archives(lab, client)) if (lab.repo / client.name).exists() else 0
    for name, words in jobs.items():
        rendered(lab, "compose", name, *words, more=more.get(name, ()))
        file = lab.folder / "compose" / name / f"{name}.yaml"
        docker("compose", "-f", str(file), "run", "--rm", "-T", name)
        if name == "drill":
            assert len(archives(lab, client)) == before + 3
    assert len(archives(lab, client)) == 1


def test_compose_leaves_nothing_of_a_drill(lab: Lab, client: Client) -> None:
    """One of an archive that is not there: it has got its volume all the same."""
    since = str(time.time())
    name = f"gone-{lab.id}"
    rendered(lab, "compose", name, "drill", "nobody")
    file = lab.folder / "compose" / name / f"{name}.yaml"
    argv = ["docker", "compose", "-f", str(file), "run", "--rm", "-T", name]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=TIMEOUT, check=False)
    assert done.returncode == NotProved.exit_code, done.stderr
    volumes = scratch_of(f"com.docker.compose.project=borgpull-{name}", since)
    until(lambda: not volumes & {*docker("volume", "ls", "-q").split()})


def scratch_of(label: str, since: str) -> set[str]:
    """The volumes that containers with that label have had at /scratch, by the engine's events."""
    asked = ["events", "--since", since, "--until", str(time.time())]
    filters = ["--filter", "event=create", "--filter", f"label={label}"]
    made = docker(*asked, "--filter", "type=container", *filters, "--format", "{{.Actor.ID}}")
    filters = ["--filter", "type=volume", "--filter", "event=mount"]
    lines = docker(*asked, *filters, "--format", "{{json .Actor}}").splitlines()
    mounted = [(actor["ID"], actor["Attributes"]) for actor in map(json.loads, lines)]
    found = {
        name
        for name, how in mounted
        if how["container"] in made.split() and how["destination"] == "/scratch"
    }
    assert found, lines
    return found


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
        command = ends_with_the_test(
            subprocess.Popen([*compose, "run", "--rm", "-T", name], stderr=subprocess.PIPE)
        )
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


# No shell is in the archive, so that the image's runs it.
CHECKS = "- name: there\n  run: ls $BORGPULL_RESTORED/etc/ssh\n  chroot: false\n"


def test_systemd_runs_a_drill(lab: Lab, client: Client, host: Machine) -> None:
    since, reports = str(time.time()), lab.folder / "reports"
    reports.mkdir()
    checks = lab.folder / "checks.yaml"
    checks.write_text(CHECKS)
    names = {verb: f"{verb}-{lab.id}" for verb in ("stream", "drill")}
    words = {
        "stream": ["stream", "--init", client.address, "/etc/ssh"],
        "drill": ["drill", client.name, "--max-age", "1h"],
    }
    for verb, unit in names.items():
        drilling = ("--report", str(reports), "--check", str(checks))
        more = drilling if verb == "drill" else ()
        host.put(rendered(lab, "systemd", unit, *words[verb], more=more), lab.folder / "units")
        host.systemctl("daemon-reload")
        done = host.systemctl("start", f"{unit}.service")
        assert done.returncode == 0, host.journal(unit)
    record = json.loads((reports / "drill.json").read_text())
    assert (record["outcome"], record["isolated"]) == ("pass", True)
    assert [(one["name"], one["outcome"]) for one in record["checks"]] == [("there", "pass")]
    volumes = scratch_of(f"borgpull.unit={names['drill']}", since)
    until(lambda: not volumes & {*docker("volume", "ls", "-q").split()})


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
    for number, drilling in enumerate(DRILLS.values()):
        name = f"drill{number}"
        plans[name] = planned(COMMANDS["drill"], name=name, drilling=drilling)
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
