"""`python -m scripts.scale [FILES…]`: is `stream` linear, and what memory does a file take?

For each number of files, in ascending order: a first and an unchanged backup of a tree of files of
16 bytes, several times each. The quickest one counts: whatever else the machine does makes a job
slower. Each row has what the files take that it has more than the row before. The time is linear if
none of them takes 1.2 times as long as those of the row before. The first row tells nothing of its
files: a few thousand are listed while the server still has to prepare itself. For a million files,
the tree alone takes 5 GB of memory.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Iterator
from dataclasses import dataclass

from scripts.bench import jobs
from scripts.bench.lab import build, lab
from scripts.bench.meter import Cost
from scripts.bench.plans import FIRST, Plan

USUAL = (10_000, 100_000, 300_000, 1_000_000)
SIZE = 16
LINEAR = 1.2
# Up to so many files: how often a first run is made, and an unchanged one.
TURNS = ((200_000, 7, 7), (500_000, 3, 5), (sys.maxsize, 2, 4))
RUNS = (FIRST, "unchanged")
HEAD = (
    "| files | run | seconds | MB of memory, client + server "
    "| microseconds of a further file | to the row before | bytes of memory, client + server |\n"
    "| --- | --- | --- | --- | --- | --- | --- |"
)


@dataclass(frozen=True)
class Point:
    """What a run of a number of files costs; `before` is the one of fewer files."""

    files: int
    cost: Cost
    before: Point | None

    def of_file(self, name: str) -> float | None:
        """What each file costs that the one before has not; None if there is none before."""
        if self.before is None:
            return None
        more: float = getattr(self.cost, name) - getattr(self.before.cost, name)
        return max(0.0, more) / (self.files - self.before.files)

    def growth(self) -> float | None:
        """How many times as long a file takes as those before; None if nobody knows of those."""
        now = self.of_file("seconds")
        then = self.before.of_file("seconds") if self.before else None
        if now is None or then is None:
            return None
        return now / then if then else math.inf

    def text(self, run: str) -> str:
        cost, seconds, growth = self.cost, self.of_file("seconds"), self.growth()
        memory = [self.of_file("client_memory"), self.of_file("server_memory")]
        cells = [
            *(f"{self.files:,}", run, f"{cost.seconds:.2f}"),
            f"{cost.client_memory / 1e6:.0f} + {cost.server_memory / 1e6:.0f}",
            "" if seconds is None else f"{seconds * 1e6:.1f}",
            "" if growth is None else f"{growth:.2f}",
            " + ".join(f"{one:.0f}" for one in memory if one is not None),
        ]
        return f"| {' | '.join(cells)} |"


def main() -> None:
    parser = argparse.ArgumentParser(prog="scale", description=__doc__.splitlines()[0])
    parser.add_argument("files", nargs="*", type=int, default=USUAL, help="numbers of files")
    parser.add_argument("--round-trip", type=int, default=0, metavar="MS")
    wanted = parser.parse_args()
    build()
    last: dict[str, Point] = {}
    found: list[float] = []
    print(HEAD, flush=True)
    for files in sorted({*wanted.files}):
        for run, cost in measured(files, wanted.round_trip):
            last[run] = Point(files, cost, last.get(run))
            print(last[run].text(run), flush=True)
            growth = last[run].growth()
            if growth is not None:
                found.append(growth)
    if not found:
        print("\nfewer than three numbers of files tell nothing of its growth")
        return
    verdict = "linear" if max(found) <= LINEAR else "not linear"
    print(f"\n{verdict}: at most {max(found):.2f} times the seconds of a file before")
    sys.exit(max(found) > LINEAR)


def measured(files: int, trip: int) -> Iterator[tuple[str, Cost]]:
    """Each run, with the quickest of its turns."""
    plan = Plan("scale", files, SIZE, RUNS, (trip,), jobs=("stream",), base="stream")
    turns = next(turns for most, *turns in TURNS if files <= most)
    with lab(plan, trip) as it:
        for run, count in zip(RUNS, turns, strict=True):
            found, it.needs = [], plan.needs(run)
            for number in range(count):
                if run == FIRST and number:
                    it.anew(plan)
                found.append(jobs.job(it, "stream", f"{run}{number}"))
            yield run, min(found, key=lambda cost: cost.seconds)


if __name__ == "__main__":
    main()
