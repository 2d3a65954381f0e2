"""What podman makes of the units of `render quadlet`, run by podman."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator

import pytest

from borgpull.cli.drilling import Drilling
from borgpull.cli.options import Launch, Where
from borgpull.renderers import RENDERERS
from tests.support.lab import IMAGE, TIMEOUT, Client, Lab
from tests.support.machine import QUADLETS, Machine, machine
from tests.support.rendered import command_line, keys, planned

# Podman's copy of the image takes half a minute, for a file that seldom changes.
pytestmark = [
    pytest.mark.docker,
    pytest.mark.timeout(300),
    pytest.mark.inputs(
        "borgpull/launchers/needs.py",
        "borgpull/launchers/seccomp.py",
        "borgpull/launchers/security.py",
        "borgpull/renderers/plan.py",
        "borgpull/renderers/quadlet.py",
        "borgpull/renderers/units.py",
        "images/systemd",
    ),
]


@pytest.fixture(scope="module")
def client(lab: Lab) -> Client:
    """With a Python, so that `stream` reads all that a drill compares."""
    return lab.client("borgpull-borg12-client", MANY="5")


@pytest.fixture(scope="module")
def host(lab: Lab) -> Iterator[Machine]:
    """With the image, and what a container in a container takes."""
    options = ["--network", lab.network, "--cap-add", "NET_ADMIN", "--device", "/dev/fuse"]
    options += ["-e", "STORAGE_DRIVER=vfs", "-v", "/var/lib/containers"]
    options += ["-v", f"{lab.folder}:{lab.folder}"]
    with machine(lab, *options) as made:
        copy = f"docker save {IMAGE} | docker exec -i {made.name} podman load"
        subprocess.run(["bash", "-ceo", "pipefail", copy], check=True, timeout=TIMEOUT)
        yield made


def test_podman_runs_each_kind_of_job(lab: Lab, client: Client, host: Machine) -> None:
    where = Where(
        repo=str(lab.repo),
        state=str(lab.state),
        ssh_key=str(lab.key),
        passphrase_file=str(lab.key.parent / "passphrase"),
    )
    jobs = {
        "pipe": ["pipe", "--init", client.address, "/etc/ssh"],
        "sshfs": ["sshfs", client.address, "/etc/ssh"],
        "check": ["check", client.name],
        "stream": ["stream", client.address, "/etc/ssh"],
        # A container in a container has the outer one's network: see `here`.
        "drill": ["drill", "--allow-network", client.name],
    }
    for name, words in jobs.items():
        drilling = Drilling(memory="512M") if name == "drill" else None
        plan = planned(words, name=name, where=where, launch=Launch(image=IMAGE), drilling=drilling)
        host.put(RENDERERS["quadlet"](plan), lab.folder / "quadlet", QUADLETS)
    services = host.generated()
    for name in jobs:
        (start,) = keys(services[name])["Service.ExecStart"]
        done = host.run(*here(command_line(start), name), timeout=120)
        assert done.returncode == 0, done.stderr
    assert len(lab.borg(client.name, "list", "--short").split()) == 3
    assert host.run("podman", "volume", "ls", "--quiet").stdout == "", "of the drill"


def here(argv: list[str], name: str) -> list[str]:
    """Without systemd's part: its specifiers, and its control groups.

    A container in a container can make no network of its own, so that it shares the outer one's.
    """
    specifiers = {"%t": "/run", "%N": name, "%E": "/etc"}
    found = []
    for word in argv:
        for specifier, text in specifiers.items():
            word = word.replace(specifier, text)
        found.append({"--cgroups=split": "--cgroups=disabled"}.get(word, word))
    if "none" in found:
        found[found.index("none")] = "host"
    else:
        found[2:2] = ["--network", "host"]
    return found
