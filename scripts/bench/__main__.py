"""`python -m scripts.bench [PLAN…] [--plot FILE]`: measure, and print the table."""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
from collections.abc import Iterator
from dataclasses import asdict, replace
from operator import itemgetter
from pathlib import Path
from types import FrameType

from scripts.bench import fixed, jobs, plot, table, trees
from scripts.bench.lab import ROOT, Lab, build, lab
from scripts.bench.plans import FIRST, MAIN, TURNS, UNGUARDED, UNWRITTEN, WHOLE, Plan, plans, trips

# Parts of `stream`, with the jobs whose difference is what they cost.
PARTS = (("manifest", UNGUARDED, UNWRITTEN), ("guard", WHOLE, UNGUARDED))


def main() -> None:
    signal.signal(signal.SIGTERM, terminated)
    every = plans()
    wanted = arguments([*every, "fixed"])
    chosen = [every[name] for name in wanted.plans if name in every]
    for plan in chosen:
        say(f"{plan.name}: about {plan.seconds() / 60:.1f} minutes")
    say(f"all: about {sum(plan.seconds() for plan in chosen) / 60:.0f} minutes")
    build()
    times = fixed_parts(chosen[0] if chosen else every["few"]) if "fixed" in wanted.plans else {}
    rows: list[table.Row] = []
    print(table.HEAD, flush=True)
    keep(rows, times, None)
    # It takes an hour, and may be ended before: so the longest ways come last.
    pairs = [(plan, trip) for plan in chosen for trip in plan.trips]
    for plan, trip in sorted(pairs, key=itemgetter(1)):
        for row in measure(plan, trip):
            rows.append(row)
            print(row.text(), flush=True)
        keep(rows, times, wanted.plot)


def keep(rows: list[table.Row], times: dict[str, object], picture: Path | None) -> None:
    """Write what is known so far."""
    found = {"rows": [asdict(row) for row in rows], "fixed": times}
    (ROOT / "bench.json").write_text(json.dumps(found, indent=2) + "\n")
    if picture:
        picture.write_text(plot.svg(rows))


def arguments(names: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench", description=table.__doc__)
    usual = ["fixed", *MAIN]
    parser.add_argument("plans", nargs="*", metavar="PLAN", help=" ".join(names), default=usual)
    parser.add_argument("--plot", type=Path, metavar="FILE", help="write the ratios as an SVG")
    wanted = parser.parse_args()
    if unknown := set(wanted.plans) - set(names):
        parser.error(f"no such plan: {' '.join(unknown)}")
    return wanted


def fixed_parts(plan: Plan) -> dict[str, object]:
    """By round trip."""
    found: dict[str, object] = {}
    for trip in trips(0, 20):
        say(f"fixed part, {trip} ms")
        jobs = (*plan.jobs, *fixed.METHODS)
        with lab(replace(plan, files=1, size=1, jobs=jobs), trip) as it:
            found[str(trip)] = fixed.report(it, TURNS + 2)
    return found


def measure(plan: Plan, trip: int) -> Iterator[table.Row]:
    say(f"{plan.name}, {trip} ms")
    with lab(plan, trip) as it:
        if plan.saved:
            jobs.job(it, plan.saved, "saved")
        for run in plan.runs:
            turns, loads = [], [os.getloadavg()[0]]
            for number in range(plan.turns):
                turns.append(turn(it, plan, run, number))
                loads.append(os.getloadavg()[0])
            yield from table.rows(plan.tree, trip, run, plan.base, turns)
            load = f"a load of {min(loads):.1f} to {max(loads):.1f}"
            say(f"{plan.name}, {run}: {len(turns)} turns, {load}")
            for name, more, less in PARTS if plan.base == UNWRITTEN else ():
                say(f"{name}, {run}: {table.share(turns, more, less)}, {load}")


def turn(it: Lab, plan: Plan, run: str, number: int) -> table.Turn:
    """Each job of the plan once, another one first in each turn."""
    if run == FIRST and number:
        it.anew(plan)
    if program := trees.change(run):
        it.run("client", "python3", "-c", program, str(number))
    it.needs = plan.needs(run)
    archive = "saved" if plan.saved else f"{run}{number}"
    every = plan.jobs_at(it.trip)
    start = number % len(every)
    found = {name: jobs.job(it, name, archive) for name in every[start:] + every[:start]}
    return {name: found[name] for name in every}


def terminated(signum: int, _frame: FrameType | None) -> None:
    """SIGTERM unwinds like any other end, so that everything is cleaned up."""
    raise SystemExit(128 + signum)


def say(text: str) -> None:
    print(f"bench: {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
