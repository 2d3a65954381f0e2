"""Signals at random moments: nothing is left, nothing half done counts, the next run succeeds."""

from __future__ import annotations

import os
import random
import re
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import ends
from tests.support.lab import Client, Lab, Run, docker

pytestmark = [pytest.mark.docker, pytest.mark.timeout(900)]

MOMENTS = 10
# A run of the tree below takes some three seconds here; later moments find it ended, which is fine.
LATEST = 3.0
PATHS = ("/srv/data",)
# The run after a killed one: small, and by another name.
NEXT = ("--archive", "next-{now:%H%M%S.%f}")


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with Lab(tmp_path_factory.mktemp("signals")) as made:
        yield made


@pytest.fixture(scope="module")
def client(lab: Lab) -> Client:
    client = lab.client(MANY="3000")
    lab.backup(client, *PATHS)
    return client


def moments(label: str) -> list[float]:
    """Random, and the same again with the same BORGPULL_TEST_SEED."""
    seed = os.environ.get("BORGPULL_TEST_SEED", str(time.time_ns()))
    print(f"BORGPULL_TEST_SEED={seed}")
    source = random.Random(f"{seed}{label}")
    return [source.uniform(0.0, LATEST) for _ in range(MOMENTS)]


def send(target: str, container: str, signum: int) -> None:
    if target == "container":
        subprocess.run(
            ["docker", "kill", "--signal", str(signum), container], capture_output=True, check=False
        )
    else:
        name = {"cli": "borgpull", "sshfs": "sshfs"}[target]
        ends.kill_inside(container, name, signum=signum)


def borg_locks(repository: Path) -> list[Path]:
    return [*repository.glob("lock.exclusive/*")]


@pytest.mark.parametrize("signum", [15, 9], ids=["SIGTERM", "SIGKILL"])
@pytest.mark.parametrize("target", ["cli", "container", "sshfs"])
def test_killed_at_any_moment(lab: Lab, client: Client, target: str, signum: int) -> None:
    whole = file_count(lab, client, verified(lab, client)[-1])
    for moment in moments(f"{target}{signum}"):
        run = lab.start_sidecar("sshfs", "--lock-wait", "5", client.address, *PATHS)
        time.sleep(moment)
        send(target, run.name, signum)
        code = run.wait(timeout=60)
        what = f"{target}, signal {signum} at {moment:.2f} s, exit code {code}"
        assert not docker("ps", "-aq", "--filter", f"name={run.name}").strip(), what
        # SIGKILL to the whole container leaves nobody to free borg's lock but the next run.
        if (target, signum) != ("container", 9):
            assert not borg_locks(lab.repo / client.name), what
        done = lab.sidecar("sshfs", "--lock-wait", "5", *NEXT, client.address, "/etc/ssh")
        assert done.rc == 0, f"after {what}: {done.stderr}"
        assert not borg_locks(lab.repo / client.name), what
    # Whatever has a final name is whole.
    for name in verified(lab, client)[-MOMENTS:]:
        assert file_count(lab, client, name) == whole, name


def test_tidy_frees_what_a_killed_container_left(lab: Lab, client: Client) -> None:
    for moment in (1.6, 2.2, 2.8):
        run = lab.start_sidecar("sshfs", client.address, *PATHS)
        time.sleep(moment)
        send("container", run.name, 9)
        run.wait(timeout=60)
        assert lab.sidecar("tidy", rung="none").rc == 0
        assert not borg_locks(lab.repo / client.name)


def test_sigterm_has_its_own_exit_code(lab: Lab, client: Client) -> None:
    run = lab.start_sidecar("sshfs", client.address, *PATHS)
    await_borg(run)
    send("container", run.name, 15)
    assert run.wait(timeout=60) == 143


def test_ssh_killed_in_mid_walk(lab: Lab, client: Client) -> None:
    """The client's side of the connection dies: not 0, no final name, and then it works again."""
    before = verified(lab, client)
    run = lab.start_sidecar("sshfs", client.address, *PATHS)
    await_borg(run)
    client.exec(
        "sh",
        "-c",
        "for p in /proc/[0-9]*; do grep -qa '^sshd-session: root@' $p/cmdline "
        "&& kill -9 ${p#/proc/}; done; true",
    )
    assert run.wait(timeout=60) == 34
    assert verified(lab, client) == before
    assert lab.sidecar("sshfs", client.address, *PATHS).rc == 0


def test_the_host_cli_killed(lab: Lab, client: Client) -> None:
    """SIGKILL to the host's CLI ends its sidecar, which the engine then removes."""
    for signum, moment in ((9, 1.0), (9, 2.0), (15, 1.5), (2, 1.5)):
        run = lab.start_host("sshfs", client.address, *PATHS)
        time.sleep(moment)
        run.send_signal(signum)
        code = run.wait(timeout=60)
        deadline = time.monotonic() + 40
        jobs = ("--filter", "label=borgpull.job", "--filter", f"network={lab.network}")
        while docker("ps", "-aq", *jobs).strip():
            assert time.monotonic() < deadline, "the sidecar outlives its launcher"
            time.sleep(0.2)
        # A signal before Python has set itself up ends it the hard way.
        assert code in (-signum, 128 + signum)
        assert not borg_locks(lab.repo / client.name)
        assert lab.sidecar("sshfs", "--lock-wait", "5", client.address, *PATHS).rc == 0


def await_borg(run: Run) -> None:
    """Until borg walks the client."""
    deadline = time.monotonic() + 30
    while "\nsaving " not in run.output():
        assert run.poll() is None and time.monotonic() < deadline, run.output()
        time.sleep(0.02)
    time.sleep(0.2)


def verified(lab: Lab, client: Client) -> list[str]:
    names = lab.borg(
        client.name, "list", "--bypass-lock", "--short", "--consider-checkpoints", "::"
    ).split()
    return [name for name in names if re.fullmatch(re.escape(client.name) + r"-[0-9TZ:-]+", name)]


def file_count(lab: Lab, client: Client, archive: str) -> int:
    return lab.borg(client.name, "list", "--format", "{type}{NL}", f"::{archive}").count("-")
