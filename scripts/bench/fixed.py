"""What a job takes that has nothing to do: `docker run` on an empty tree, by its phases."""

from __future__ import annotations

import json
import statistics
import subprocess
import time
from collections.abc import Iterator, Mapping

from scripts.bench.jobs import saving
from scripts.bench.lab import IMAGE, Lab
from scripts.bench.trees import EMPTY

BARE = "pipe, no borg there"  # most clients lack a fitting borg, and get ours in each run
METHODS = ("stream", "pipe", BARE, "sshfs")
# Seconds of each phase, in the order of the phases.
Phases = Mapping[str, float]


def once(lab: Lab, name: str, number: int) -> Phases:
    """A container from its start to its end; for a job, what lies between its events."""
    if name == "true":
        words = ["--entrypoint", "true", IMAGE]
    elif name == BARE:
        words = [IMAGE, *saving("pipe", f"bare{number}", EMPTY)]
        words.remove("--keep-runtime")
    else:
        words = [IMAGE, *(saving(name, f"empty{number}", EMPTY) if name in METHODS else [name])]
    away = "mv borg none" if name == BARE else "[ ! -e none ] || mv none borg"
    lab.run("client", "sh", "-c", f"cd /usr/local/bin && {{ {away}; }}")
    argv = ["docker", "run", "--rm", *lab.options(name), *words]
    begun = time.monotonic()
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        marks = [("start", begun), *((word, time.monotonic()) for word in phases(child.stdout))]
    if child.returncode != 0:
        raise SystemExit(f"bench: {' '.join(words)}: exit code {child.returncode}")
    return spans(marks, time.monotonic())


def phases(lines: Iterator[str]) -> Iterator[str]:
    """The phases that --json tells of; `leave` is what comes after the result."""
    for line in lines:
        if not line.startswith("{"):
            continue
        event = json.loads(line)
        if event.get("event") == "phase":
            yield event["name"]
        elif event.get("event") == "result":
            yield "leave"


def spans(marks: list[tuple[str, float]], end: float) -> Phases:
    found: dict[str, float] = {}
    for (name, at), (_, until) in zip(marks, [*marks[1:], ("", end)], strict=True):
        found[name] = found.get(name, 0) + until - at
    return found


def report(lab: Lab, turns: int) -> dict[str, list[Phases]]:
    """Print the medians of `turns` turns, and what they are over an empty container."""
    names = ("true", "version", *METHODS)
    for name in METHODS:
        once(lab, name, 0)  # the first one makes caches, and sends what it keeps on the client
    found: dict[str, list[Phases]] = {name: [] for name in names}
    for number in range(1, turns + 1):
        for name in names:
            found[name].append(once(lab, name, number))
    print("\n| docker run | round trip | n | seconds | over `true` | over `version` | phases |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    total = {name: statistics.median(sum(it.values()) for it in found[name]) for name in names}
    for name in names:
        parts = {key: statistics.median(it[key] for it in found[name]) for key in found[name][0]}
        told = ", ".join(f"{key} {value:.2f}" for key, value in parts.items()) if parts else ""
        over = [f"{total[name] - total[other]:.2f}" for other in ("true", "version")]
        cells = [name, f"{lab.trip} ms", str(turns), f"{total[name]:.2f}", *over, told]
        print(f"| {' | '.join(cells)} |", flush=True)
    print()
    return found
