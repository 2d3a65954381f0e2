"""Drills of a client that works all the while: what changes during a backup is no difference.

BORGPULL_TEST_ROUNDS says how many backups are made and drilled.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator

import pytest

from tests.support.lab import ROOT, Client, Lab
from tests.support.rounds import rounds

DRILLS = rounds(few=3, many=100)
pytestmark = [pytest.mark.docker, pytest.mark.rounds, pytest.mark.timeout(120 + 60 * DRILLS)]
OWNER = 1000  # backups are made by that user, drills by root
IMAGE, TREE = "borgpull-borg12-client", "/srv/data"
METHODS = ("stream", "pipe", "sshfs")


WORKS = f'mkdir {TREE}/living; cd {TREE}/living && exec python3 -c "$0"'


@pytest.fixture(scope="module")
def client(lab: Lab) -> Iterator[Client]:
    made = lab.client(IMAGE, MANY="100")
    program = (ROOT / "tests/support/living.py").read_text()
    made.exec("sh", "-c", WORKS, program, detach=True)
    yield made
    assert made.exec("pgrep", "-f", "become_another"), "it has not worked to the end"


# Something was moved away while it was read (60), or its place taken by a longer one (62): the run
# does not call its archive verified, and another run is needed.
REFUSED = (60, 62)


def back_up(lab: Lab, client: Client, method: str, number: int) -> tuple[str, int]:
    """The verified archive's name, and how many runs were refused before."""
    refused = 0
    while True:
        name = f"{number}-{refused}"
        words = (method, "--json", "--init", "--archive", name, client.address, TREE)
        done = lab.sidecar(*words) if method == "sshfs" else lab.plain(*words)
        if method == "sshfs":  # by root: the other methods are not
            for path in (*lab.repo.rglob("*"), *lab.state.rglob("*")):
                os.chown(path, OWNER, OWNER)
        if done.rc not in REFUSED or refused == 20:
            break
        refused += 1
    assert done.rc == 0, done.stderr + done.stdout[-2000:]
    return str(done.result["data"]["archive"]), refused


def test_what_changes_meanwhile_is_no_difference(lab: Lab, client: Client) -> None:
    outcomes: Counter[str] = Counter()
    changed, refused, bad = 0, 0, []
    for number in range(DRILLS):
        method = METHODS[number % len(METHODS)]
        archive, times = back_up(lab, client, method, number)
        refused += times
        data = lab.drill(client.name, "--max-unproved", "50%").result["data"]
        assert data["archive"] == archive
        outcomes[f"{method}: {data['outcome']}"] += 1
        changed += data["unproved_why"].get("changed", 0)
        print(f"{number + 1}. {method}: {data['outcome']}, {times} runs were refused", flush=True)
        if data["outcome"] != "pass":
            bad.append((number, method, data["reasons"], data["findings"]))
            print(bad[-1], flush=True)
    print(
        f"{DRILLS} drills: {dict(outcomes)}; {changed} files had changed, "
        f"{refused} runs were refused"
    )
    assert bad == []
    assert changed, "nothing has changed during any backup"
