"""Rows of the table: medians of turns, and of the ratios of pairs."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from scripts.bench.meter import Cost

HEAD = (
    "| tree | round trip | run | job | n | seconds | ratio | CPU s, client + server "
    "| MB of memory, client + server | MB moved |\n"
    "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |"
)

# What each job of a turn cost, by its name.
Turn = Mapping[str, Cost]


@dataclass(frozen=True)
class Row:
    """One job in one run."""

    tree: str
    trip: int
    run: str
    job: str
    base: str  # the job that the ratio is of
    n: int
    cost: Cost  # medians
    ratio: float

    def text(self) -> str:
        cost = self.cost
        cells = [self.tree, f"{self.trip} ms", self.run, self.job, str(self.n)]
        cells += [f"{cost.seconds:.2f}", "1" if self.job == self.base else f"{self.ratio:.2f}"]
        cells += [f"{cost.client_cpu:.2f} + {cost.server_cpu:.2f}"]
        cells += [f"{cost.client_memory / 1e6:.0f} + {cost.server_memory / 1e6:.0f}"]
        cells += [f"{cost.moved / 1e6:.1f}"]
        return f"| {' | '.join(cells)} |"


def rows(tree: str, trip: int, run: str, base: str, turns: Sequence[Turn]) -> list[Row]:
    """A row for each job, in the order of the first turn."""
    return [
        Row(tree, trip, run, job, base, len(turns), medians(turns, job), ratio(turns, job, base))
        for job in turns[0]
    ]


def ratio(turns: Sequence[Turn], job: str, base: str) -> float:
    """The median of the ratios of pairs: both jobs of a pair are of the same turn."""
    return statistics.median(turn[job].seconds / turn[base].seconds for turn in turns)


def medians(turns: Sequence[Turn], job: str) -> Cost:
    """Each figure's own median."""
    costs = [turn[job] for turn in turns]
    return Cost(
        seconds=statistics.median(it.seconds for it in costs),
        client_cpu=statistics.median(it.client_cpu for it in costs),
        server_cpu=statistics.median(it.server_cpu for it in costs),
        client_memory=round(statistics.median(it.client_memory for it in costs)),
        server_memory=round(statistics.median(it.server_memory for it in costs)),
        moved=round(statistics.median(it.moved for it in costs)),
    )


def share(turns: Sequence[Turn], more: str, less: str) -> str:
    """What one job takes more than another: medians of pairs, and the least and the most.

    The fastest turn of each is what others on the machine have disturbed least.
    """

    def told(of: Callable[[Cost], float]) -> str:
        found = [100 * (of(turn[more]) / of(turn[less]) - 1) for turn in turns]
        fastest = min(of(turn[more]) for turn in turns) / min(of(turn[less]) for turn in turns)
        spread = f"{min(found):+.1f} to {max(found):+.1f}"
        return f"{statistics.median(found):+.1f} % ({spread}; fastest {100 * fastest - 100:+.1f} %)"

    time = told(lambda cost: cost.seconds)
    cpu = told(lambda cost: cost.client_cpu + cost.server_cpu)
    return f"{time} of the time, {cpu} of the processor time, {len(turns)} pairs"
