"""stream over a long way: more channels of the connection carry the content, whatever becomes of
them."""

from __future__ import annotations

import contextlib
import itertools
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from borgpull.borg.loading import LANES
from tests.docker.test_authorize import let_in
from tests.support import ends
from tests.support.lab import Client, Completed, Lab, Run
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.docker, pytest.mark.timeout(300)]
OWNER = 1000  # of the laboratory: the sidecars are not root
IMAGE, TREE, TRIP = "borgpull-borg12-client", "/srv/data/content", 150
# By one channel, 130 MB take 9 s there: 2 MiB a round trip. Lanes last for as long as some looks of
# a busy engine.
CONTENT = f"""
mkdir -p {TREE}; cd {TREE}
for i in $(seq 100); do head -c 400001 /dev/urandom >$i; done; head -c 90000000 /dev/urandom >large
"""
# The helper and its lanes: as processes that are sent, and by a limited key.
HELPER = "[b]orgpull-python|[s]ys.argv.pop"
HELPERS = f"pgrep -fc '{HELPER}' || :"


@dataclass
class Seen:
    """A run into a repository of its own, and how many helpers and lanes there were at a time."""

    run: Run
    name: str
    most: int = 0

    def look(self, client: Client) -> int:
        now = int(client.exec("sh", "-c", HELPERS))
        self.most = max(self.most, now)
        return now

    def end(self, client: Client) -> Completed:
        while self.run.poll() is None:
            self.look(client)
        return Completed(self.run.wait(timeout=10), self.run.output(), "")


_numbers = itertools.count()


@contextlib.contextmanager
def running(lab: Lab, client: Client, *words: str, user: str = "root") -> Iterator[Seen]:
    name = f"{client.name}-{next(_numbers)}"
    with ends.far_way(lab, client, TRIP) as way:
        far = way.replace("root@", f"{user}@")
        run = ends.start(lab, "stream", "--json", "--init", "--name", name, *words, far, TREE)
        yield Seen(run, name)
        assert run.poll() is not None
        ends.await_none_of_ours(client, 15)
        assert "borgpull-" not in client.exec("cat", "/proc/net/unix")


@pytest.fixture
def longer(client: Client) -> Iterator[None]:
    """A run that outlasts a look of the engine's, however busy that is."""
    client.exec("sh", "-c", f"head -c 120000000 /dev/urandom >{TREE}/longer")
    yield
    client.exec("rm", f"{TREE}/longer")


def same(lab: Lab, client: Client, name: str, archive: str, files: int = 101) -> None:
    """The archive has what the client has: so many files."""
    told = lab.borg(name, "list", "--format", "{sha256} {path}{NL}", f"::{archive}")
    saved = {tuple(line.split(" ", 1)) for line in told.splitlines()}
    text = client.exec("sh", "-c", f"cd /; sha256sum {TREE.lstrip('/')}/*")
    there = {tuple(re.split(r" +", line, maxsplit=1)) for line in text.splitlines()}
    assert there <= saved
    assert len(there) == files


def is_saved(
    lab: Lab, client: Client, lanes: int, *words: str, user: str = "root", files: int = 101
) -> Seen:
    """By so many lanes, and whole."""
    with running(lab, client, *words, user=user) as seen:
        done = seen.end(client)
    assert done.rc == 0, done.stdout
    assert seen.most == 1 + lanes
    same(lab, client, seen.name, done.result["data"]["archive"], files)
    return seen


@pytest.fixture(scope="module")
def client(lab: Lab) -> Client:
    client = lab.client(IMAGE)
    client.exec("sh", "-c", CONTENT)
    return client


def test_a_long_way_gets_more_channels(lab: Lab, client: Client) -> None:
    seen = is_saved(lab, client, LANES)
    lab.borg(seen.name, "check", "--verify-data")


@pytest.mark.usefixtures("longer")
@pytest.mark.parametrize("victim", ["its ssh", "its process there"])
def test_a_lane_that_dies_is_no_false_green(lab: Lab, client: Client, victim: str) -> None:
    with running(lab, client) as seen:
        wait_until(lambda: seen.look(client) == 1 + LANES, seconds=60)
        time.sleep(0.5)  # so that it is in use
        if victim == "its ssh":
            ends.kill_inside(seen.run.name, "ssh", "last")
        else:
            client.exec("sh", "-c", f"kill -9 $(pgrep -nf '{HELPER}')")
        done = seen.end(client)
    if victim == "its ssh":
        assert done.rc == 34, done.stdout
        words = ("--json", "--init", "--name", seen.name, client.address, TREE)
        done = lab.plain("stream", *words)
    assert done.rc == 0, done.stdout  # the helper has the channel itself
    same(lab, client, seen.name, done.result["data"]["archive"], files=102)
    lab.borg(seen.name, "check", "--verify-data")
    names = ends.archive_names(lab, seen.name)
    assert not [name for name in names if "unverified" in name or "checkpoint" in name]


def test_a_client_that_refuses_channels_is_saved_by_those_it_has(lab: Lab) -> None:
    client = lab.client(IMAGE, SSHD_EXTRA="MaxSessions 2")
    client.exec("sh", "-c", CONTENT)
    is_saved(lab, client, 1)


def test_a_plain_user_has_them_by_sudo(lab: Lab, client: Client) -> None:
    client.exec("chmod", "-R", "go=", TREE)
    client.let_sudo()
    is_saved(lab, client, LANES, "--sudo", user="alice")


def test_a_limited_key_has_them_too(lab: Lab) -> None:
    client = lab.client(IMAGE)
    client.exec("sh", "-c", CONTENT)
    let_in(lab, client, TREE, "--method", "stream")
    is_saved(lab, client, LANES)


def test_a_limited_rate_needs_no_more(lab: Lab, client: Client) -> None:
    client.exec("sh", "-c", f"cd {TREE}; rm *; head -c 30000000 /dev/urandom >large")
    is_saved(lab, client, 0, "--limit-rate", "9M", files=1)
