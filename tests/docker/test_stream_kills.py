"""stream that is killed at random moments: nothing stays on either side, and the next run is good.

BORGPULL_TEST_ROUNDS says how many times, and BORGPULL_TEST_SEED gives the same victims and moments
once more.
"""

from __future__ import annotations

import os
import random
import re
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support import ends
from tests.support.lab import Client, Lab, Run, docker
from tests.support.rounds import rounds
from tests.support.waiting import wait_until

KILLS = rounds(few=4, many=20)
pytestmark = [pytest.mark.docker, pytest.mark.rounds, pytest.mark.timeout(120 + 60 * KILLS)]
OWNER = 1000  # of the laboratory: the sidecars are not root

IMAGE, TREE = "borgpull-borg12-client", "/srv/data"
VICTIMS = ("helper", "ssh", "cli", "container")
# Each run has something to read and to send.
CHANGE = f"cd {TREE}; for i in 1 2 3; do head -c 2M /dev/urandom >change-$i; done"
# Where something of ours could stay on the client, and what is mounted there.
THERE = f"find {' '.join(ends.PLACES)} -not -path '/run/sshd*' | sort; sort /proc/mounts"
HELPER = "borgpull-[p]ython"
# Manifests of verified archives, and what the guard has compared. And the lists of the chunks of
# each archive: borg makes them if a run was killed between the repository's commit and its cache's.
PASSING = re.compile(r"manifests/|guard/|borg/cache/\w+/chunks\.archive\.d/")


@dataclass(frozen=True)
class Usual:
    """What a run without a kill comes to."""

    seconds: float
    files: int
    there: str
    here: frozenset[str]


def moments() -> list[tuple[str, float]]:
    """Victims, and when they are hit, as parts of a usual run. Each victim comes in turn.

    The first container is hit as soon as it is there: one run fails at least, however fast it is.
    """
    seed = os.environ.get("BORGPULL_TEST_SEED", str(time.time_ns()))
    print(f"BORGPULL_TEST_SEED={seed}")
    dice = random.Random(seed)
    rounds = -(-KILLS // len(VICTIMS))
    victims = [name for _ in range(rounds) for name in dice.sample(VICTIMS, len(VICTIMS))]
    early = victims.index("container")
    return [
        (victim, 0 if number == early else dice.random())
        for number, victim in enumerate(victims[:KILLS])
    ]


def here(lab: Lab, client: Client) -> frozenset[str]:
    """The names in the client's part of the state, and borg's locks.

    What may come and go is left out.
    """
    folder = lab.state / "clients" / client.name
    names = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    kept = {name for name in names if not PASSING.match(name)}
    return frozenset(kept | set(ends.borg_locks(lab.repo / client.name)))


@pytest.fixture(scope="module")
def client(lab: Lab) -> Client:
    return lab.client(IMAGE, MANY="300")


@pytest.fixture(scope="module")
def usual(lab: Lab, client: Client) -> Usual:
    client.exec("sh", "-c", CHANGE)
    for _ in range(2):  # the first one makes the repository
        started = time.monotonic()
        run = ends.start(lab, "stream", "--init", client.address, TREE)
        assert run.wait(timeout=120) == 0, run.output()
        took = time.monotonic() - started
    files = int(client.exec("sh", "-c", f"find {TREE} -type f -printf x | wc -c"))
    return Usual(took, files, client.exec("sh", "-c", THERE), here(lab, client))


def hit(victim: str, run: Run, client: Client) -> None:
    """SIGKILL, as soon as there is such a process. A run that has ended has none."""
    if victim == "container":
        wait_until(lambda: run.poll() is not None or docker("ps", "-q", "-f", f"name={run.name}"))
        docker("kill", run.name, check=False)
    elif victim == "helper":
        kill = f"pkill -9 -f '{HELPER}' && echo hit || :"
        wait_until(lambda: run.poll() is not None or client.exec("sh", "-c", kill))
    else:
        name, which = ("borgpull", "last") if victim == "cli" else ("ssh", "first")
        running = f"grep -qa '{name}' /proc/[0-9]*/comm && echo here || :"
        inside = ("exec", run.name, "sh", "-c", running)
        wait_until(lambda: run.poll() is not None or docker(*inside, check=False))
        ends.kill_inside(run.name, name, which)


def nothing_is_left(lab: Lab, client: Client, usual: Usual, run: Run, what: str) -> None:
    """Neither a process, nor a file, nor a container, nor a mount."""
    ends.await_none_of_ours(client, 15)
    assert client.exec("sh", "-c", THERE) == usual.there, what
    wait_until(lambda: not docker("ps", "-aq", "-f", f"name={run.name}"), lambda: what, seconds=15)
    mounts = Path("/proc/mounts").read_text()
    assert client.name not in mounts, what


def the_next_run_is_good(lab: Lab, client: Client, usual: Usual, killed: str, what: str) -> None:
    data = lab.pull("stream", client, "--archive", "next-{now:%H%M%S.%f}", TREE)["data"]
    assert (data["items"]["-"], data["listings"]) == (usual.files, "checked"), what
    assert here(lab, client) == usual.here, what
    names = ends.archive_names(lab, client.name)
    # Whatever has its final name is whole, and nothing else is there any more.
    assert not [name for name in names if "unverified" in name or "checkpoint" in name], what
    if saved := [name for name in names if name == killed]:
        listed = lab.borg(client.name, "list", "--format", "{type}{NL}", f"::{saved[0]}")
        assert listed.count("-") == usual.files, what


def test_killed_at_any_moment(lab: Lab, client: Client, usual: Usual) -> None:
    failed = []
    for number, (victim, part) in enumerate(moments(), 1):
        client.exec("sh", "-c", CHANGE)
        killed = f"killed-{number}"
        words = ("--archive", killed, "--compression", "none")
        run = ends.start(lab, "stream", *words, client.address, TREE)
        time.sleep(part * usual.seconds)
        hit(victim, run, client)
        code = run.wait(timeout=60)
        what = f"{number}. {victim} at {part * usual.seconds:.2f} s: exit code {code}"
        print(what, flush=True)
        nothing_is_left(lab, client, usual, run, what)
        saved = killed in ends.archive_names(lab, client.name)
        assert saved or code != 0, what
        failed += [victim] if code else []
        the_next_run_is_good(lab, client, usual, killed, what)
    # Damage would stay, whatever the later runs do.
    done = lab.plain("borg", client.name, "--", "check", "--verify-data")
    assert done.rc == 0, done.stderr
    assert failed, "every run was faster than its kill"
