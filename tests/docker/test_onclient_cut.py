"""A connection that breaks in mid-run, and what such a run leaves on the client: nobody waits
longer than ssh does, nothing runs on, nothing blocks the next run, and little is sent twice.
"""

from __future__ import annotations

import functools
import time
from dataclasses import dataclass
from typing import Any, Self

import pytest

from tests.support import ends
from tests.support.lab import Client, Lab, docker, pause
from tests.support.rounds import rounds
from tests.support.waiting import wait_until

# Less than that of test_onclient_ends, so as to come after it: each has four runs at a time.
pytestmark = [pytest.mark.docker, pytest.mark.timeout(800)]
OWNER = 1000  # of the laboratory: the sidecars are not root
INSTALLED = True  # clients have borg: how it gets there is tested elsewhere

FILES, FILE_SIZE = 24, 2 << 20
BIG = f"{ends.TREE}/big"
BYTES = FILES * FILE_SIZE
RATE = 3_000_000  # bytes a second: all files would take 17 s, a cut comes after a half
BACK = 2222  # the port by which agent comes back


@pytest.fixture(scope="module")
def clients(lab: Lab) -> dict[str, Client]:
    """One for each method; their files are random, so that they neither shrink nor are known."""
    made = {method: lab.client(MANY="10") for method in ends.METHODS}
    for client in made.values():
        client.exec(
            *("sh", "-c"),
            f"mkdir {BIG}; cd {BIG}; for i in $(seq {FILES}); do "
            f"head -c {FILE_SIZE} /dev/urandom >$i; done",
        )
    return made


@dataclass
class Way:
    """To a client through a proxy that can be cut; `name` is the repository's."""

    lab: Lab
    method: str
    client: Client
    name: str

    def __enter__(self) -> Self:
        alias = f"back-{self.name}"
        routes = (f"22:{self.client.name}:22", f"{BACK}:{alias}:{BACK}")
        self.proxy = ends.proxy(self.lab, f"proxy-{self.name}", RATE, *routes)
        target = f"root@{self.proxy}"
        self.lab.pin(self.proxy, self.client.ip())
        back = ("--connect-back", f"{self.proxy}:{BACK}") if self.method == "agent" else ()
        words = (*self.words(), *back, target, BIG)
        self.run = ends.start(
            self.lab, self.method, "--init", *words, options=["--network-alias", alias]
        )
        ends.await_text(self.run, "\nsaving ")
        return self

    def __exit__(self, *_: object) -> None:
        docker("rm", "-f", self.proxy)

    def words(self) -> tuple[str, ...]:
        common = ("--name", self.name, "--lock-wait", "5", "--compression", "none")
        return (*common, "--checkpoint-interval", "1")

    def await_checkpoints(self, number: int) -> None:
        """borg writes a line for each transaction of an append-only repository."""
        log = self.lab.repo / self.name / "transactions"

        def written() -> bool:
            assert self.run.poll() is None, self.run.output()
            return log.exists() and len(log.read_text().splitlines()) >= number

        wait_until(written, self.run.output)

    def cut(self, how: str) -> None:
        if how == "ssh":  # the one that holds the connection
            ends.kill_inside(self.run.name, "ssh", "first")
        elif how == "pause":
            pause(self.proxy)
        else:
            docker(how, self.proxy)

    def heal(self) -> None:
        """Let the client's sshd notice, which is the last to hold something of the run."""
        docker("unpause", self.proxy, check=False)
        docker("kill", self.proxy, check=False)
        ps = functools.partial(self.client.exec, "ps", "-e", "-o", "args=")
        wait_until(lambda: "sshd-session" not in ps(), ps)

    def folder(self) -> str:
        identity = (self.lab.state / "clients" / self.name / "client-id").read_text()
        return f"/tmp/borgpull-{identity}"

    def next(self) -> dict[str, Any]:
        """The data of the next run, which goes directly."""
        done = self.lab.plain(self.method, "--json", *self.words(), self.client.address, BIG)
        assert done.rc == 0, f"{self.method}: {done.stdout[-2000:]}{done.stderr}"
        data: dict[str, Any] = done.result["data"]
        assert data["items"]["-"] == FILES
        ends.await_none_of_ours(self.client, 20)
        return data


# Two ways of cutting end a connection at once, whatever the method. The cut that nobody notices is
# seen by ssh alone: two methods stand for all.
CUTS = {"pipe": "pause", "agent": "pause", "socat": "kill", "forward": "ssh"}


def test_a_cut_connection(lab: Lab, clients: dict[str, Client]) -> None:
    """`docker pause` makes a black hole of the proxy, `docker kill` resets what goes through; and
    with our ssh killed, the client is still in reach, but that run must not touch it any more.
    """

    def check(method: str) -> str:
        how = CUTS[method]
        client = clients[method]
        before = ends.listing(client)
        with Way(lab, method, client, f"{how}-{client.name}") as way:
            way.await_checkpoints(6)
            time.sleep(0.5)  # borg writes its files cache after the transaction
            way.cut(how)
            started = time.monotonic()
            code = way.run.wait(timeout=120)
            took = time.monotonic() - started
            assert (code, took < 60) == (34, True), f"{took:.1f} s: {way.run.output()}"
            assert not ends.borg_locks(lab.repo / way.name)
            # Of a black hole its sshd knows nothing.
            ended = f"{ends.await_none_of_ours(client, 20):.1f} s" if how != "pause" else "-"
            listed = lab.plain("list", "--json", way.name).result["data"]["archives"]
            what = f"{method}: {[item['name'] for item in listed]}; {way.run.output()}"
            assert any(".checkpoint" in item["name"] for item in listed), what
            assert not any(item["verified"] for item in listed), what
            data = way.next()
            way.heal()
        assert ends.listing(client) == before
        assert ends.archive_names(lab, way.name) == [data["archive"]]
        assert data["new_bytes"] < 0.8 * BYTES
        assert data["files_read"] < 0.8 * FILES
        return (
            f"{how} {method}: ended after {took:.1f} s, the client's borg after {ended}; then "
            f"{data['files_read']} files read of {data['items']['-']}, "
            f"{data['new_bytes'] / 1e6:.1f} MB new of {BYTES / 1e6:.1f}"
        )

    print(*ends.for_each(check).values(), sep="\n")


def test_a_run_that_hangs_blocks_nobody(lab: Lab, clients: dict[str, Client]) -> None:
    """Its sidecar is gone and the client has not noticed: the next run ends it."""

    def check(method: str) -> None:
        client = clients[method]
        before = ends.listing(client)
        with Way(lab, method, client, f"hang-{client.name}") as way:
            way.await_checkpoints(3)
            pause(way.proxy)
            way.run.kill()
            folder = way.folder()
            client.exec(
                *("sh", "-c"),
                f"cd {folder} && touch home/cache/*/lock.exclusive/elsewhere@1.1-0; "
                "ssh-agent -D -a old.sock >/dev/null 2>&1 & "
                "until [ -S old.sock ]; do sleep 0.1; done; kill -9 $!",
            )
            assert "old.sock" in client.exec("ls", folder)
            assert f"{folder}/run" in ends.ours(client)
            way.next()
            way.heal()
        assert ends.listing(client) == before

    ends.for_each(check, ("pipe", "agent"))


@pytest.mark.rounds
def test_the_clients_borg_ends_with_the_server(lab: Lab, clients: dict[str, Client]) -> None:
    """Once: by the methods whose sidecar the test above does not kill. In more rounds: by all."""

    def check(method: str) -> str:
        client = clients[method]
        words = ("--init", "--name", f"gone-{client.name}", "--compression", "lzma,9")
        run = ends.start(lab, method, *words, client.address, BIG)
        ends.await_text(run, "\nsaving ")
        wait_until(lambda: "borg --log-json" in ends.ours(client), run.output)
        time.sleep(1)  # in its midst
        run.kill()
        took = ends.await_none_of_ours(client, 20)
        lab.pull(method, client, "/etc/hostname")  # what was killed leaves its manifest until then
        return f"{method}: nothing runs {took:.1f} s after the sidecar"

    methods = ends.METHODS if rounds(few=1, many=2) > 1 else ("socat", "forward")
    print(*ends.for_each(check, methods).values(), sep="\n")


def test_what_is_not_ours_is_neither_touched_nor_used(lab: Lab, clients: dict[str, Client]) -> None:
    client = clients["pipe"]
    lab.pull("pipe", client, "/etc/ssh")
    name = f"borgpull-{(lab.state / 'clients' / client.name / 'client-id').read_text()}"
    places = {
        f"/tmp/{name}": "mkdir -p $p/home/cache; touch $p/run; chown -R alice $p",
        f"/var/tmp/{name}": f"mkdir {ends.TREE}/trap; touch {ends.TREE}/trap/file; "
        f"ln -s {ends.TREE}/trap $p",
        f"/dev/shm/{name}": "touch $p",
        f"/var/cache/{name}": "ln -s /srv/nowhere $p",
    }
    for path, make in places.items():
        client.exec("sh", "-c", f"p={path}; {make}")
    look = ("find", *places, f"{ends.TREE}/trap", "-printf", "%p %y %m %u %s %i %l\\n")
    before = client.exec(*look)
    lab.pull("pipe", client, "/etc/ssh")
    assert client.exec(*look) == before
    client.exec("rm", "-rf", *places, f"{ends.TREE}/trap")
