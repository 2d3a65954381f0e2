"""Signals to runs with borg on the client: nothing is left, nothing half done counts, and the next
run succeeds."""

from __future__ import annotations

import os
import random
import signal
import time
from pathlib import Path

import pytest

from tests.support import ends
from tests.support.lab import Client, Lab, docker
from tests.support.rounds import rounds
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.docker, pytest.mark.timeout(1800)]
OWNER = 1000  # of the laboratory: the sidecars are not root

# How often each method is hit in each way. If once, by one of the signals to the container.
HITS = rounds(few=1, many=6)
# What is hit, and by which signal. The methods share the moments of the signals to the container.
TERM, KILL = ("container", "TERM"), ("container", "KILL")
# SIGKILL to a part: they end a run of any method alike. `master` is the ssh that holds the
# connection, `ssh` that of a command.
PARTS = {"pipe": "ssh", "socat": "master", "agent": "ssh", "forward": "cli"}


@pytest.fixture(scope="module")
def clients(lab: Lab) -> dict[str, Client]:
    """Two get their borg in each run, and two have one: to send it takes a third of a run."""
    have = ("agent", "forward")
    return {name: lab.client(MANY="300", installed=name in have) for name in ends.METHODS}


# The same moments, as parts of a whole run, with the same seed.
SEED = os.environ.get("BORGPULL_TEST_SEED", str(time.time_ns()))


def signal_of(method: str) -> tuple[str, str]:
    return TERM if method in random.Random(f"{SEED}signals").sample(ends.METHODS, 2) else KILL


def hits(method: str) -> list[tuple[str, str, float]]:
    """What is hit, by which signal and when, as a part of a run.

    The moments of one signal to the container lie in all parts of a run, by all methods together.
    Which method gets which part is another matter of chance. With one round that is so of both
    signals together: two of the methods get the one, and two the other.
    """
    source, found = random.Random(f"{SEED}{method}"), []
    for kind in (TERM, KILL) if HITS > 1 else (signal_of(method),):
        words = f"{SEED}{kind if HITS > 1 else ''}"
        order = random.Random(words).sample(ends.METHODS, len(ends.METHODS))
        for at in range(HITS):
            place = at * len(order) + order.index(method) + source.random()
            found.append((*kind, place / HITS / len(order)))
    return found + [(PARTS[method], "KILL", source.random()) for _ in range(HITS)]


def hit(target: str, name: str, container: str) -> None:
    if target == "container":
        docker("kill", "--signal", name, container, check=False)
    elif target == "cli":  # the command, not its keeper
        ends.kill_inside(container, "borgpull")
    else:
        ends.kill_inside(container, "ssh", "first" if target == "master" else "last")


def listed(lab: Lab, client: Client, archive: str) -> str:
    return lab.borg(client.name, "list", "--format", "{type} {size} {path}{NL}", f"::{archive}")


@pytest.mark.rounds
@pytest.mark.timeout(900 + 900 * HITS)
def test_killed_at_any_moment(lab: Lab, clients: dict[str, Client]) -> None:
    print(f"BORGPULL_TEST_SEED={SEED}")

    def check(method: str) -> None:
        client = clients[method]
        repository = lab.repo / client.name
        before = ends.listing(client)
        first, usual = ends.first(lab, method, client)
        planned = hits(method)
        for number, (target, name, part) in enumerate(planned, 1):
            moment = part * usual
            run = ends.start(lab, method, "--lock-wait", "5", client.address, ends.TREE)
            time.sleep(moment)
            hit(target, name, run.name)
            code = run.wait(timeout=60)
            what = f"{method}: {name} to {target} at {moment:.2f} s, exit code {code}"
            assert not docker("ps", "-aq", "--filter", f"name={run.name}").strip(), what
            # SIGKILL to the whole container leaves nobody to free borg's lock but the next run.
            if (target, name) != ("container", "KILL"):
                assert not ends.borg_locks(repository), what
            if name == "TERM":  # leaves nothing for the next run to do
                # 2 is runc's own, where it is still to start our program.
                assert code in (0, 143) or (code, run.output()) == (2, ""), what
            elif number < len(planned):
                continue  # the next one finds what it has left, and the last run sweeps it all
            else:
                words = (client.address, ends.TREE, "--archive", "next-{now:%H%M%S.%f}")
                done = lab.plain(method, "--json", "--lock-wait", "5", *words)
                assert done.rc == 0, f"after {what}: {done.stdout[-2000:]}{done.stderr}"
                assert done.result["data"]["items"] == first["items"], what
            ends.await_none_of_ours(client, 20)
            assert not ends.borg_locks(repository), what
            assert ends.listing(client) == before, what
        names = ends.archive_names(lab, client.name)
        assert not [name for name in names if "unverified" in name]
        # A killed run that got so far as to give a name has a whole archive.
        whole_list = listed(lab, client, first["archive"])
        for name in names:
            if not name.startswith("next-"):
                assert listed(lab, client, name) == whole_list, name
        assert lab.plain("borg", client.name, "--", "check").rc == 0

    ends.for_each(check)


def test_a_clean_up_that_hangs_on_the_client_is_left_to_the_next_run(
    lab: Lab, clients: dict[str, Client]
) -> None:
    """A signal ends the run within the time that `docker stop` gives."""
    client = clients["pipe"]
    before = ends.listing(client)
    hang = "cp /bin/rm /bin/rm.good; printf '#!/bin/sh\\nsleep 300\\n' >/bin/rm.new"
    client.exec("sh", "-c", f"{hang}; chmod 755 /bin/rm.new")
    run = ends.start(lab, "pipe", "--init", client.address, ends.TREE)
    pid = run.pid()
    ends.await_text(run, "saving ")
    client.exec("mv", "/bin/rm.new", "/bin/rm")
    started = time.monotonic()
    os.kill(pid, signal.SIGTERM)
    wait_until(lambda: not Path(f"/proc/{pid}").exists())
    seconds = time.monotonic() - started
    code = run.wait(timeout=60)
    client.exec("mv", "/bin/rm.good", "/bin/rm")
    client.exec("pkill", "sleep")
    assert code == 143, run.output()
    assert seconds < 9.5, f"{seconds:.1f} s"  # 8, and the end of Python
    lab.pull("pipe", client, ends.TREE)
    assert ends.listing(client) == before
