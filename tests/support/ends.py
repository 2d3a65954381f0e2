"""How runs with borg on the client end, whatever ends them: what is looked at on both sides."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from tests.support.lab import IMAGE, PLAIN, ROOT, Client, Completed, Lab, Run, docker
from tests.support.waiting import wait_until

METHODS = ("pipe", "socat", "agent", "forward")
TREE = "/srv/data"
# Where our folder may lie.
PLACES = ("/tmp", "/var/tmp", "/dev/shm", "/run", "/root", "/var/cache")

# Sends a signal to a process of the container by its command's name: to the first or the last one.
# Of the command and its keeper the last is the command.
_KILL = """
import os, sys
found = {}
for pid in filter(str.isdigit, os.listdir('/proc')):
    try:
        words = open(f'/proc/{pid}/cmdline', 'rb').read().split(b'\\0')
        parent = int(open(f'/proc/{pid}/stat').read().rpartition(')')[2].split()[1])
    except OSError:
        continue
    if any(word.split(b'/')[-1] == sys.argv[1].encode() for word in words[:2]):
        found[int(pid)] = parent
# A child of the keeper's child has our name until it becomes another program.
for pid in [pid for pid, parent in found.items() if found.get(parent) in found]:
    del found[pid]
if found:
    os.kill(max(found) if sys.argv[2] == 'last' else min(found), int(sys.argv[3]))
"""

T = TypeVar("T")


def for_each(check: Callable[[str], T], methods: Sequence[str] = METHODS) -> dict[str, T]:
    """The check for all methods at the same time: most of each is waiting."""
    with ThreadPoolExecutor(len(methods)) as pool:
        return dict(zip(methods, pool.map(check, methods), strict=True))


def listing(client: Client) -> str:
    """The tree with inodes, mtimes and ctimes, and the names in all places that could be ours."""
    names = client.exec("sh", "-c", f"find {' '.join(PLACES)} | sort")
    return client.tree(TREE) + names


def ours(client: Client) -> str:
    """What runs on the client beside its sshd, a line each.

    sshd's own process of a connection that hangs ends when it notices; nothing of ours is in it.
    """
    lines = client.exec("ps", "-e", "-o", "pid=,args=").splitlines()
    return "\n".join(
        line
        for line in lines
        if not line.rstrip().endswith("ps -e -o pid=,args=") and " sshd" not in line
    )


def await_none_of_ours(client: Client, seconds: float) -> float:
    """How long it took until nothing of ours ran any more."""
    started = time.monotonic()
    wait_until(lambda: not ours(client), lambda: ours(client), seconds=seconds)
    return time.monotonic() - started


def borg_locks(repository: Path) -> list[str]:
    return [path.name for path in repository.glob("lock.*/*")]


def kill_inside(
    container: str, name: str, which: str = "last", signum: int = signal.SIGKILL
) -> None:
    argv = ["docker", "exec", container, "python3", "-c", _KILL, name, which, str(int(signum))]
    subprocess.run(argv, capture_output=True, check=False, timeout=60)


def start(lab: Lab, method: str, *words: str, options: Sequence[str] = ()) -> Run:
    return lab.start_sidecar(method, *words, rung="none", options=[*PLAIN, *options])


def first(lab: Lab, method: str, client: Client) -> tuple[dict[str, Any], float]:
    """The first run's data, and the seconds that a run takes here, in a container of its own."""
    started = time.monotonic()
    run = start(lab, method, "--json", "--init", client.address, TREE)
    assert run.wait(timeout=120) == 0, run.output()
    took = time.monotonic() - started
    return Completed(0, run.output(), "").result["data"], took


def await_text(run: Run, text: str, seconds: float = 90) -> None:
    deadline = time.monotonic() + seconds
    while text not in run.output():
        assert run.poll() is None and time.monotonic() < deadline, run.output()
        time.sleep(0.02)


def archive_names(lab: Lab, name: str) -> list[str]:
    words = ("list", "--bypass-lock", "--short", "--consider-checkpoints", "::")
    return lab.borg(name, *words).split()


def proxy(lab: Lab, name: str, rate: int | None, *routes: str, trip: int = 0) -> str:
    """A container through which others are reached; its name. `rate` in bytes a second, `trip` in
    milliseconds.

    The first route is to an sshd.
    """
    common = ["--name", name, "--network", lab.network, "--label", lab.label]
    script = ["-v", f"{ROOT}/scripts/delay_proxy.py:/p.py:ro", "--entrypoint", "python3"]
    how = f"{trip}/{rate}" if rate else f"{trip}"
    docker("run", "-d", *common, *script, IMAGE, "/p.py", how, *routes)
    Client(name).await_sshd(int(routes[0].partition(":")[0]))
    return name


@contextmanager
def slow_way(lab: Lab, client: Client, rate: int = 8_000_000) -> Iterator[str]:
    """An address of it at `rate` bytes a second: on a busy machine, a test still comes in time."""
    with _way(lab, client, proxy(lab, f"slow-{client.name}", rate, f"22:{client.name}:22")) as way:
        yield way


@contextmanager
def far_way(lab: Lab, client: Client, trip: int) -> Iterator[str]:
    """An address of it with a round trip of so many milliseconds."""
    name = proxy(lab, f"far-{client.name}", None, f"22:{client.name}:22", trip=trip)
    with _way(lab, client, name) as way:
        yield way


@contextmanager
def _way(lab: Lab, client: Client, name: str) -> Iterator[str]:
    try:
        lab.pin(name, client.ip())
        yield f"root@{name}"
    finally:
        docker("rm", "-f", name)
