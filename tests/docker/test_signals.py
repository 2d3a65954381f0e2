"""Signals at random moments: nothing is left, nothing half done counts, the next run succeeds."""

from __future__ import annotations

import os
import random
import re
import subprocess
import time
from pathlib import Path

import pytest

from tests.support import ends
from tests.support.lab import Client, Lab, Run, docker
from tests.support.rounds import rounds

pytestmark = [pytest.mark.docker, pytest.mark.timeout(900)]

# How many moments: the container is what users end.
PARTS, CONTAINER = rounds(few=1, many=10), rounds(few=2, many=20)
MOMENTS = {"container": CONTAINER, "cli": PARTS, "sshfs": PARTS}
PATHS = ("/srv/data",)
# The run after a killed one: small, and by another name.
NEXT = ("--archive", "next-{now:%H%M%S.%f}")


@pytest.fixture(scope="module")
def client(lab: Lab) -> Client:
    client = lab.client(MANY="500")
    lab.backup(client, *PATHS)
    return client


@pytest.fixture(scope="module")
def usual(lab: Lab, client: Client) -> float:
    """The seconds that a run takes here; some two on an idle machine."""
    started = time.monotonic()
    assert lab.start_sidecar("sshfs", client.address, *PATHS).wait(timeout=120) == 0
    return time.monotonic() - started


def moments(target: str, signum: int, usual: float) -> list[float]:
    """One in each part of a run, in no order; the same again with the same BORGPULL_TEST_SEED."""
    seed = os.environ.get("BORGPULL_TEST_SEED", str(time.time_ns()))
    print(f"BORGPULL_TEST_SEED={seed}")
    source, parts = random.Random(f"{seed}{target}{signum}"), MOMENTS[target]
    found = [(part + source.random()) * usual / parts for part in range(parts)]
    source.shuffle(found)
    return found


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


@pytest.mark.rounds
@pytest.mark.timeout(300 + 60 * CONTAINER)
@pytest.mark.parametrize("signum", [15, 9], ids=["SIGTERM", "SIGKILL"])
@pytest.mark.parametrize("target", ["cli", "container", "sshfs"])
def test_killed_at_any_moment(
    lab: Lab, client: Client, usual: float, target: str, signum: int
) -> None:
    before = verified(lab, client)
    whole = file_count(lab, client, before[-1])
    for number, moment in enumerate(moments(target, signum, usual), 1):
        run = lab.start_sidecar("sshfs", "--lock-wait", "5", client.address, *PATHS)
        time.sleep(moment)
        send(target, run.name, signum)
        code = run.wait(timeout=60)
        what = f"{target}, signal {signum} at {moment:.2f} s, exit code {code}"
        assert not docker("ps", "-aq", "--filter", f"name={run.name}").strip(), what
        # SIGKILL to the whole container leaves nobody to free borg's lock but the next run.
        if (target, signum) != ("container", 9):
            assert not borg_locks(lab.repo / client.name), what
        # Each killed run is itself the next of one. After the last one goes to its end.
        if number == MOMENTS[target]:
            done = lab.sidecar("sshfs", "--lock-wait", "5", *NEXT, client.address, "/etc/ssh")
            assert done.rc == 0, f"after {what}: {done.stderr}"
            assert not borg_locks(lab.repo / client.name), what
    # Whatever has got a final name is whole.
    for name in set(verified(lab, client)) - set(before):
        assert file_count(lab, client, name) == whole, name


def test_tidy_frees_what_a_killed_container_left(lab: Lab, client: Client, usual: float) -> None:
    for part in (0.6, 0.9):
        run = lab.start_sidecar("sshfs", client.address, *PATHS)
        time.sleep(part * usual)
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


def test_the_host_cli_killed(lab: Lab, client: Client, usual: float) -> None:
    """SIGKILL to the host's CLI ends its sidecar, which the engine then removes."""
    ended = 0
    for signum, part in ((9, 0.3), (9, 0.6), (15, 0.4), (2, 0.4)):
        run = lab.start_host("sshfs", client.address, *PATHS)
        time.sleep(part * usual)
        run.send_signal(signum)
        code = run.wait(timeout=60)
        deadline = time.monotonic() + 90
        jobs = ("--filter", "label=borgpull.job", "--filter", f"network={lab.network}")
        while docker("ps", "-aq", *jobs).strip():
            # SIGKILL between making and starting it: a later run sweeps it, after ten minutes.
            if signum == 9 and (made := docker("ps", "-aq", *jobs, "--filter", "status=created")):
                docker("rm", "-f", *made.split(), check=False)
            assert time.monotonic() < deadline, docker("ps", "-a", *jobs)
            time.sleep(0.2)
        # A signal before Python has set itself up ends it the hard way. 0 is a run that was faster
        # than the usual one, which another load had slowed down.
        assert code in (0, -signum, 128 + signum)
        ended += code != 0
        assert not borg_locks(lab.repo / client.name)
    assert ended
    assert lab.sidecar("sshfs", "--lock-wait", "5", client.address, *PATHS).rc == 0


def await_borg(run: Run) -> None:
    """Until borg walks the client."""
    ends.await_text(run, "\nsaving ")
    time.sleep(0.2)


def verified(lab: Lab, client: Client) -> list[str]:
    names = lab.borg(
        client.name, "list", "--bypass-lock", "--short", "--consider-checkpoints", "::"
    ).split()
    return [name for name in names if re.fullmatch(re.escape(client.name) + r"-[0-9TZ:-]+", name)]


def file_count(lab: Lab, client: Client, archive: str) -> int:
    return lab.borg(client.name, "list", "--format", "{type}{NL}", f"::{archive}").count("-")
