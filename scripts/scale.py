"""`python -m scripts.scale [FILES…]`: is `stream` linear, and what memory does a file take?

For each number of files, in ascending order: a first and an unchanged backup of a tree of files of
16 bytes, several times each but for a long one. What one file takes is left out. The time is linear
if no file takes 1.2 times as long as in the run before, on a smaller tree. For a million files, the
tree alone takes 5 GB of memory.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from dataclasses import dataclass

from scripts.bench import jobs
from scripts.bench.lab import build, lab
from scripts.bench.meter import Cost
from scripts.bench.plans import FIRST, Plan

USUAL = (10_000, 100_000, 1_000_000)
SIZE = 16
LINEAR = 1.2
LONG = 200_000  # files: a first run of so many is not repeated
RUNS = (FIRST, "unchanged")
HEAD = (
    "| files | run | seconds | microseconds a file | to the row before "
    "| MB of memory, client + server | bytes of memory a file, client + server |\n"
    "| --- | --- | --- | --- | --- | --- | --- |"
)


@dataclass(frozen=True)
class Point:
    """What a number of files costs beyond one file."""

    files: int
    cost: Cost
    fixed: Cost

    @property
    def seconds(self) -> float:
        """For each file."""
        return max(self.cost.seconds - self.fixed.seconds, 0.0) / self.files

    def memory(self) -> tuple[float, float]:
        """Bytes for each file, of client and server."""
        client = self.cost.client_memory - self.fixed.client_memory
        server = self.cost.server_memory - self.fixed.server_memory
        return client / self.files, server / self.files

    def text(self, run: str, before: Point | None) -> str:
        cost, (client, server) = self.cost, self.memory()
        cells = [f"{self.files:,}", run, f"{cost.seconds:.2f}", f"{self.seconds * 1e6:.1f}"]
        cells += ["" if before is None else f"{growth(before, self):.2f}"]
        cells += [f"{cost.client_memory / 1e6:.0f} + {cost.server_memory / 1e6:.0f}"]
        cells += [f"{client:.0f} + {server:.0f}"]
        return f"| {' | '.join(cells)} |"


def growth(before: Point, now: Point) -> float:
    """How many times as long a file takes; above 1, time grows faster than the number of files."""
    return now.seconds / before.seconds if before.seconds > 0 else 1.0


def main() -> None:
    parser = argparse.ArgumentParser(prog="scale", description=__doc__.splitlines()[0])
    parser.add_argument("files", nargs="*", type=int, default=USUAL, help="numbers of files")
    parser.add_argument("--round-trip", type=int, default=0, metavar="MS")
    wanted = parser.parse_args()
    build()
    fixed = dict(measured(1, wanted.round_trip))
    last: dict[str, Point] = {}
    worst = 0.0
    print(HEAD, flush=True)
    for files in sorted(wanted.files):
        for run, cost in measured(files, wanted.round_trip):
            point = Point(files, cost, fixed[run])
            before = last.get(run)
            print(point.text(run, before), flush=True)
            worst = max(worst, growth(before, point) if before else 0.0)
            last[run] = point
    if worst == 0:
        print("\none number of files tells nothing of its growth")
        return
    verdict = "linear" if worst <= LINEAR else "not linear"
    print(f"\n{verdict}: at most {worst:.2f} times the seconds of a file in the row before")
    sys.exit(worst > LINEAR)


def measured(files: int, trip: int) -> Iterator[tuple[str, Cost]]:
    """The run with the middle one of its times."""
    plan = Plan("scale", files, SIZE, RUNS, (trip,), jobs=("stream",), base="stream")
    with lab(plan, trip) as it:
        for run in RUNS:
            found = []
            for number in range(turns(files, run)):
                if run == FIRST and number:
                    it.anew(plan)
                found.append(jobs.job(it, "stream", f"{run}{number}"))
            yield run, sorted(found, key=lambda cost: cost.seconds)[len(found) // 2]


def turns(files: int, run: str) -> int:
    """A small job's time depends much on what else the machine does."""
    if files < LONG:
        return 5
    return 1 if run == FIRST else 3


if __name__ == "__main__":
    main()
