"""What is measured: trees, runs, round trips and jobs.

BENCH_SCALE is a factor of the trees' sizes. BENCH_TURNS is the number of turns of each run; some
plans have half of them, and the one of many files three at least. BENCH_TRIPS are the round trips
in milliseconds, with commas.
"""

from __future__ import annotations

import os
from dataclasses import dataclass

SCALE = float(os.environ.get("BENCH_SCALE", "1"))
TURNS = int(os.environ.get("BENCH_TURNS", "2"))
TRIPS = os.environ.get("BENCH_TRIPS", "")

FIRST = "first"
HAND = "by hand"  # borg on the client, over ssh
LOCAL = "local"  # borg on the client, into a repository there: the same for all round trips
BARE = "extract and read"  # borg extract here, and then each file is read once
# `stream` as it is; without the guard; and without a manifest, at which the guard would look.
WHOLE, UNGUARDED, UNWRITTEN = "whole", "no-guard", "no-manifest"
PAIRS = max(3, TURNS)  # of what is small beside the whole
SIDE_BY_SIDE = ("stream", "pipe", HAND, LOCAL, "rsync")

# An average job on a quiet machine with two cores: seconds of its fixed part, of each file and of
# each megabyte, when all is new, and when nothing is.
NEW = (4.0, 200e-6, 0.016)
OLD = (2.5, 60e-6, 0.002)
# Bytes of memory that a job takes beside the content that it writes, and those of each file.
BESIDE, OF_FILE = 256 << 20, 1500
STAND = 15.0  # seconds to make the containers, the repositories, and to remove them


@dataclass(frozen=True)
class Plan:
    """A tree, the runs on it, and the jobs of each run, in turns. `base` is what ratios are of."""

    name: str
    files: int
    size: int  # bytes of each file; 0 for sizes as a Debian system has them
    runs: tuple[str, ...]
    trips: tuple[int, ...]
    jobs: tuple[str, ...] = SIDE_BY_SIDE
    base: str = HAND
    saved: str = ""  # of restores and drills: the method that has made the archive
    turns: int = TURNS

    @property
    def tree(self) -> str:
        """For people."""
        if self.files == 1:
            return f"one file of {self.size / 1e6:,.0f} MB"
        size = f"{self.size / 1024:.0f} KiB" if self.size else "36 KB on average"
        return f"{self.files:,} of {size}"

    def jobs_at(self, trip: int) -> tuple[str, ...]:
        return tuple(job for job in self.jobs if job != LOCAL or trip == self.trips[0])

    @property
    def bytes(self) -> int:
        """Of all files."""
        return self.files * (self.size or 36000)

    def needs(self, run: str) -> int:
        """Bytes of memory that a job of the run takes, with its repository."""
        written = self.bytes if run in (FIRST, "restore", "drill") else 0
        return BESIDE + OF_FILE * self.files + written + written // 4

    def seconds(self) -> float:
        """An estimate of how long it takes on a quiet machine."""
        megabytes = self.bytes / 1e6
        found = 0.0
        for run in self.runs:
            fixed, of_file, of_megabyte = NEW if run in (FIRST, "restore", "drill") else OLD
            one = fixed + of_file * self.files + of_megabyte * megabytes
            found += one * self.turns
        number = sum(len(self.jobs_at(trip)) for trip in self.trips)
        return len(self.trips) * (STAND + 0.03 * megabytes) + number * found


def scaled(number: int) -> int:
    return max(1, round(number * SCALE))


def trips(*usual: int) -> tuple[int, ...]:
    return tuple(int(word) for word in TRIPS.split(",")) if TRIPS else usual


def plans() -> dict[str, Plan]:
    """By name, the main ones first."""
    daily = (FIRST, "unchanged", "changed")
    big = (FIRST, "touched", "rewritten")
    half = (TURNS + 1) // 2
    few, many = scaled(4000), scaled(100_000)
    found = [
        Plan("few", few, 0, daily, trips(0, 20, 80)),
        Plan("many", many, 1024, daily, trips(0, 20, 80), turns=max(3, half)),
        Plan("big", 1, scaled(1_000_000_000), big, trips(0, 20, 80), turns=half),
        Plan("moved", scaled(10_000), 0, (FIRST, "moved"), trips(0, 20, 80), turns=half),
        # sshfs asks the client for each file: over a slow link a small tree takes minutes.
        Plan(
            *("small", scaled(1000), 4096, (FIRST, "unchanged"), trips(20)),
            jobs=("sftp", "sshfs", "recipe", HAND),
            base="recipe",
            turns=1,
        ),
        Plan("large", 4 * many, 1024, (FIRST, "unchanged"), trips(0, 20), ("pipe", "socat", HAND)),
        Plan(
            "restore", many, 0, ("restore",), trips(0, 20), ("native", "extract"), "extract", "pipe"
        ),
        Plan(
            *("drill", many // 4, 0, ("drill",), trips(0), ("drill", BARE), BARE, "stream"),
            turns=PAIRS,
        ),
        Plan(
            *("manifest", many // 2, 1024, (FIRST, "unchanged"), trips(0)),
            *((WHOLE, UNGUARDED, UNWRITTEN), UNWRITTEN),
            turns=PAIRS,
        ),
    ]
    return {plan.name: plan for plan in found}


MAIN = ("few", "many", "big", "moved", "small")
