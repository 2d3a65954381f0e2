"""Signals to runs with borg on the client: nothing is left, nothing half done counts, and the next
run succeeds."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Iterator

import pytest

from tests.support import ends
from tests.support.lab import Client, Lab, docker

pytestmark = [pytest.mark.docker, pytest.mark.timeout(1800)]

# What is hit, by which signal, and how often. `master` is the ssh that holds the connection, `ssh`
# that of a command. Ten is a number of the specification.
HITS = [("container", "TERM")] * 10 + [("container", "KILL")] * 10
HITS += [("master", "KILL"), ("ssh", "KILL"), ("cli", "KILL")]


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with Lab(tmp_path_factory.mktemp("ends") / "lab", owner=1000) as made:
        yield made


@pytest.fixture(scope="module")
def clients(lab: Lab) -> dict[str, Client]:
    return {method: lab.client(MANY="300") for method in ends.METHODS}


# The same moments, as parts of a whole run, with the same seed.
SEED = os.environ.get("BORGPULL_TEST_SEED", str(time.time_ns()))


def moments(label: str) -> list[float]:
    source = random.Random(f"{SEED}{label}")
    return [source.random() for _ in HITS]


def hit(target: str, signal: str, container: str) -> None:
    if target == "container":
        docker("kill", "--signal", signal, container, check=False)
    elif target == "cli":  # the command, not its keeper
        ends.kill_inside(container, "borgpull")
    else:
        ends.kill_inside(container, "ssh", "first" if target == "master" else "last")


def listed(lab: Lab, client: Client, archive: str) -> str:
    return lab.borg(client.name, "list", "--format", "{type} {size} {path}{NL}", f"::{archive}")


def test_killed_at_any_moment(lab: Lab, clients: dict[str, Client]) -> None:
    print(f"BORGPULL_TEST_SEED={SEED}")

    def check(method: str) -> None:
        client = clients[method]
        repository = lab.repo / client.name
        before = ends.listing(client)
        first = lab.pull(method, client, ends.TREE)["data"]
        started = time.monotonic()
        lab.pull(method, client, ends.TREE)
        usual = time.monotonic() - started
        for (target, signal), part in zip(HITS, moments(method), strict=True):
            moment = part * usual
            run = ends.start(lab, method, "--lock-wait", "5", client.address, ends.TREE)
            time.sleep(moment)
            hit(target, signal, run.name)
            code = run.wait(timeout=60)
            what = f"{method}: {signal} to {target} at {moment:.2f} s, exit code {code}"
            assert not docker("ps", "-aq", "--filter", f"name={run.name}").strip(), what
            # SIGKILL to the whole container leaves nobody to free borg's lock but the next run.
            if (target, signal) != ("container", "KILL"):
                assert not ends.borg_locks(repository), what
            if signal == "TERM":  # leaves nothing for the next run to do
                # 2 is runc's own, where it is still to start our program.
                assert code in (0, 143) or (code, run.output()) == (2, ""), what
            else:
                words = (client.address, ends.TREE, "--archive", "next-{now:%H%M%S.%f}")
                done = lab.plain(method, "--json", "--lock-wait", "5", *words)
                assert done.rc == 0, f"after {what}: {done.stdout[-2000:]}{done.stderr}"
                assert done.result["data"]["items"] == first["items"], what
            ends.await_none_of_ours(client, 10)
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
