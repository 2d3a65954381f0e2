"""What a job costs: seconds, processor time and memory of both sides, bytes moved."""

from __future__ import annotations

import contextlib
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

CGROUPS = Path("/sys/fs/cgroup")
EVERY = 0.02  # seconds between two looks at the memory


def seconds_of(*args: str) -> float:
    """How long a command of docker takes."""
    begun = time.monotonic()
    docker(*args)
    return time.monotonic() - begun


def docker(*args: str, timeout: float = 3600) -> str:
    done = subprocess.run(
        ["docker", *args], capture_output=True, text=True, timeout=timeout, check=False
    )
    if done.returncode != 0:
        raise SystemExit(f"bench: docker {args[0]}: {done.stderr or done.stdout}")
    return done.stdout


@dataclass(frozen=True)
class Cost:
    """Of one job. Memory is what processes have for themselves, without the page cache."""

    seconds: float
    client_cpu: float
    server_cpu: float
    client_memory: int
    server_memory: int
    moved: int


class Gauge:
    """Processor time and memory of a container, by its cgroup: version 1 or 2."""

    def __init__(self, container: str, *, above: bool = False) -> None:
        """`above`: of all containers, also of those that are gone, that have this one's parent."""
        pid = docker("inspect", "--format", "{{.State.Pid}}", container).strip()
        rows = [line.split(":", 2) for line in Path(f"/proc/{pid}/cgroup").read_text().split()]
        path = {name: Path(of[1:]) for _, names, of in rows for name in names.split(",")}
        if above:
            path = {name: of.parent for name, of in path.items()}
        self._second = "memory" not in path
        # Beside version 1, version 2 may be there, too, and count nothing.
        at = {name: "" if self._second else name or "unified" for name in path}
        self.folders = {CGROUPS / at[name].removeprefix("name=") / of for name, of in path.items()}
        if self._second:
            folder = CGROUPS / path[""]
            self._cpu, self._memory = folder / "cpu.stat", folder / "memory.stat"
        else:
            self._cpu = CGROUPS / "cpuacct" / path["cpuacct"] / "cpuacct.usage"
            self._memory = CGROUPS / "memory" / path["memory"] / "memory.stat"

    def cpu(self) -> float:
        """Seconds since the container's start."""
        text = self._cpu.read_text()
        return int(_row(text, "usage_usec")) / 1e6 if self._second else int(text) / 1e9

    def memory(self) -> int:
        return int(_row(self._memory.read_text(), "anon" if self._second else "total_rss"))


def _row(text: str, name: str) -> str:
    return next(line.split()[1] for line in text.splitlines() if line.split()[0] == name)


@contextlib.contextmanager
def peaks(*gauges: Gauge) -> Iterator[list[int]]:
    """The most memory of each one meanwhile."""
    found = [gauge.memory() for gauge in gauges]
    done = threading.Event()

    def look() -> None:
        while not done.wait(EVERY):
            found[:] = [max(most, it.memory()) for most, it in zip(found, gauges, strict=True)]

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield found
    finally:
        done.set()
        thread.join()
