"""A drill as a list of cases: the comparison, each limit, each control, each check."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from borgpull.drills.outcomes import MEANINGS, gravest
from borgpull.outputs.drills import Drill, Outcome
from borgpull.plain import safe
from borgpull.reports.figures import cut, duration


class Case(NamedTuple):
    name: str  # no two cases of a drill share it
    outcome: Outcome
    seconds: float
    message: str  # why it is no pass
    output: str = ""


LIMITS = {"max_age": "age of the data", "max_restore_time": "restore time"}
COMPARISON = "restore"
LONGEST = 200  # characters of a name


def cases(drill: Drill) -> list[Case]:
    """The comparison first. One of them at least is no pass if the drill is none."""
    others = [*_limits(drill), *_control(drill), *_checks(drill)]
    found = [_comparison(drill, others), *others]
    names: set[str] = set()
    for number, case in enumerate(found):
        name = base = cut(safe(case.name), LONGEST)
        times = 1
        while name in names:
            times += 1
            name = f"{base} ({times})"
        names.add(name)
        found[number] = case._replace(name=name)
    return found


def _comparison(drill: Drill, others: list[Case]) -> Case:
    """What no other case says. It passes only if the drill came to the end of it."""
    outcome = _outcome(drill, others)
    message = "" if outcome == "pass" else "; ".join(drill["reasons"]) or outcome
    return Case(COMPARISON, outcome, drill["restore_seconds"] or 0.0, message)


def _outcome(drill: Drill, others: list[Case]) -> Outcome:
    if drill["differs"]:
        return gravest(("differs", drill["outcome"]))
    if drill["outcome"] == "pass":
        return "pass"
    if gravest(case.outcome for case in others) != drill["outcome"]:
        return drill["outcome"]
    unfinished = drill["restore_seconds"] is None or not drill["control"]
    if unfinished or len(drill["reasons"]) > _accounted(drill):
        return "could not verify"
    return "pass"


def _accounted(drill: Drill) -> int:
    """Reasons that other cases are the ground of."""
    bad = {(one["name"], one["detail"]) for one in drill["checks"] if one["outcome"] != "pass"}
    blind = any(not one["seen"] for one in drill["control"])
    return len(bad) + blind + sum(not one["ok"] for one in drill["limits"])


def _limits(drill: Drill) -> Iterator[Case]:
    for limit in drill["limits"]:
        what = LIMITS.get(limit["name"], limit["name"])
        value, most = duration(limit["value"]), duration(limit["limit"])
        message = "" if limit["ok"] else f"{what}: {value}, and {most} are allowed"
        yield Case(f"limit: {what}", "pass" if limit["ok"] else "outside limits", 0.0, message)


def _control(drill: Drill) -> Iterator[Case]:
    for one in drill["control"]:
        message = "" if one["seen"] else f"the comparison did not see a fault at {one['path']}"
        outcome: Outcome = "pass" if one["seen"] else "could not verify"
        yield Case(f"control: {one['kind']}", outcome, 0.0, message)


def _checks(drill: Drill) -> Iterator[Case]:
    for one in drill["checks"]:
        outcome = one["outcome"] if one["outcome"] in MEANINGS else "could not verify"
        yield Case(f"check: {one['name']}", outcome, one["seconds"], one["detail"], one["output"])
