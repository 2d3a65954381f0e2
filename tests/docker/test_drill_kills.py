"""Drills that are killed at random moments: none of them counts, and nothing of them stays.

BORGPULL_TEST_ROUNDS says how many times, and BORGPULL_TEST_SEED gives the same moments once more.
"""

from __future__ import annotations

import json
import os
import random
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.support import ends
from tests.support.lab import Client, Lab, Run, docker
from tests.support.rounds import rounds
from tests.support.waiting import wait_until

KILLS = rounds(few=2, many=10)
pytestmark = [pytest.mark.docker, pytest.mark.rounds, pytest.mark.timeout(120 + 60 * KILLS)]
OWNER = 1000  # backups are made by that user, drills by root
IMAGE, TREE = "borgpull-borg12-client", "/srv/data"
# Who is killed: the host's command, or the container. Where it restores to: a volume of its own, or
# a folder of the host's, which the next drill has, too.
VICTIMS = (("cli", ""), ("container", "folder"), ("container", ""), ("cli", "folder"))


@dataclass(frozen=True)
class Kept:
    """What the state has of drills."""

    history: dict[str, Any]
    names: frozenset[str]

    @classmethod
    def of(cls, lab: Lab, client: Client) -> Kept:
        done = lab.sidecar("drills", "--json", client.name, rung="none")
        folder = lab.state / "clients" / client.name
        names = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
        return cls(done.result["data"], frozenset(names))


@pytest.fixture(scope="module")
def client(lab: Lab) -> Client:
    made = lab.client(IMAGE, MANY="300")
    lab.pull("stream", made, TREE)
    return made


def moments() -> list[tuple[str, str, float]]:
    """Victims, scratch folders, and when they are hit, as parts of a usual drill.

    The first one is hit as soon as it can be: one fails at least, however fast a drill is. Then by
    turns in its second and its first half.
    """
    seed = os.environ.get("BORGPULL_TEST_SEED", str(time.time_ns()))
    print(f"BORGPULL_TEST_SEED={seed}")
    dice = random.Random(seed)
    turns = ((number // len(VICTIMS) + number) % 2 for number in range(KILLS))
    return [
        (*VICTIMS[number % len(VICTIMS)], (half + dice.random()) / 2 if number else 0)
        for number, half in enumerate(turns)
    ]


def containers(client: Client, which: str = "-aq") -> list[str]:
    return docker("ps", which, "-f", f"name=borgpull-{client.name}-").split()


def volumes(container: str) -> list[str]:
    """Those that were made for it."""
    form = "{{range .Mounts}}{{.Type}} {{.Name}}\n{{end}}"
    lines = docker("inspect", "-f", form, container, check=False).splitlines()
    return [line.split()[1] for line in lines if line.startswith("volume ")]


def hit(victim: str, run: Run, client: Client, seconds: float, folder: Path | None) -> list[str]:
    """SIGKILL, as soon as there is a container; returns its volumes.

    In a folder of the host's, something has been restored by then: it may be in the next one's way.
    """
    if folder is not None:
        wait_until(lambda: run.poll() is not None or [*folder.glob("*/tree")])
    time.sleep(seconds if folder is None else seconds / 4)
    # One that is made and not yet started stays if the command is killed, until a later sweep.
    wait_until(lambda: run.poll() is not None or containers(client, "-q"))
    found = containers(client)
    made = [name for container in found for name in volumes(container)]
    if victim == "cli":
        run.popen.kill()
    for container in found if victim == "container" else ():
        docker("kill", container, check=False)
    return made


def test_killed_at_any_moment(lab: Lab, client: Client, tmp_path: Path) -> None:
    started = time.monotonic()
    assert lab.host("drill", client.name).rc == 0
    usual = time.monotonic() - started
    failed, folder = 0, tmp_path / "scratch"
    for number, (victim, scratch, part) in enumerate(moments(), 1):
        words = ("--json", "--scratch", str(folder)) if scratch else ("--json",)
        before = Kept.of(lab, client)
        run = lab.start_host("drill", *words, client.name)
        made = hit(victim, run, client, part * usual, folder if scratch else None)
        code = run.wait(timeout=60)
        what = f"{number}. {victim} at {part * usual:.2f} s, {scratch or 'volume'}: {code}"
        print(what, flush=True)
        wait_until(lambda: not containers(client), run.output, seconds=30)
        after = Kept.of(lab, client)
        ended = after.history["drills"][len(before.history["drills"]) :]
        # It may be killed after its record was kept. One with a record has done all.
        assert [past["restored"] for past in ended] == [past["proved"] for past in ended], what
        assert [past["outcome"] for past in ended] in ([], ["pass"]), what
        if not ended:
            failed += 1
            assert code != 0, what
            assert after.history["last_good"] == before.history["last_good"], what
        the_next_one_is_good(lab, client, words, what, len(after.history["drills"]) + 1)
        left = [name for name in made if docker("volume", "ls", "-q", "-f", f"name={name}")]
        assert left == [], what
        assert not folder.exists() or not [*folder.iterdir()], what
    assert failed, "every drill was faster than its kill"


def the_next_one_is_good(
    lab: Lab, client: Client, words: tuple[str, ...], what: str, number: int
) -> None:
    """It finds nothing in its way, and no file stays that an undisturbed one would not leave."""
    done = lab.host("drill", *words, client.name)
    assert done.rc == 0, f"{what}: {json.dumps(done.result['data']['reasons'])}"
    assert containers(client) == []
    assert client.name not in Path("/proc/mounts").read_text(), what
    assert ends.borg_locks(lab.repo / client.name) == [], what
    kept = Kept.of(lab, client)
    drills = sorted(name for name in kept.names if name.startswith("drills/"))
    assert len(drills) == 1 + 2 * number, (what, drills)  # stamps; a record and proofs of each
    assert len(kept.history["drills"]) == number, what
