"""The bench's arithmetic and its plot."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest

from scripts import scale
from scripts.bench import fixed, jobs, plot, table
from scripts.bench.__main__ import turn
from scripts.bench.lab import Lab
from scripts.bench.meter import Cost
from scripts.bench.plans import MAIN, Plan, plans

SVG = "{http://www.w3.org/2000/svg}"


def cost(seconds: float) -> Cost:
    return Cost(seconds, seconds, seconds, 1_000_000, 2_000_000, 3_000_000)


def found(*turns: tuple[float, float], run: str = "unchanged") -> list[table.Row]:
    both = [{"ours": cost(ours), "by hand": cost(hand)} for ours, hand in turns]
    return table.rows("a <tree> & more", 20, run, "by hand", both)


def test_a_ratio_is_the_median_of_pairs_and_not_of_the_medians() -> None:
    ours, by_hand = found((1.0, 4.0), (6.0, 6.0), (9.0, 10.0))
    assert ours.ratio == pytest.approx(0.9)  # of the medians it would be 1
    assert (ours.cost.seconds, by_hand.cost.seconds, by_hand.ratio) == (6.0, 6.0, 1.0)
    assert ours.text().count("|") == table.HEAD.splitlines()[0].count("|")


def test_the_plot_is_xml_with_a_mark_for_each_row() -> None:
    rows = found((1.0, 4.0)) + found((0.001, 40.0), run="first") + found((90.0, 1.0), run="moved")
    tree = ElementTree.fromstring(plot.svg(rows))
    marks = tree.findall(f"{SVG}path[@class='mark']")
    assert len(marks) == len(rows)
    left, _, right = (float(v) for v in tree.attrib["viewBox"].split()[:3])
    at = [float((mark.get("d") or "")[1:].split()[0]) for mark in marks]
    assert all(left < x < right for x in at)
    assert at[2] < at[0] < at[1] == at[3] == at[5] < at[4]  # 0.000025, 0.25, 1, 90
    assert any("a <tree> & more" in (text.text or "") for text in tree.iter(f"{SVG}text"))


def test_spans_of_one_phase_are_added() -> None:
    marks = [("start", 1.0), ("create", 2.0), ("verify", 4.0), ("create", 5.0), ("leave", 9.0)]
    told = {"start": 1.0, "create": 6.0, "verify": 1.0, "leave": 0.5}
    assert fixed.spans(marks, 9.5) == pytest.approx(told)


def test_phases_are_read_from_events_only() -> None:
    lines = ["words\n", '{"event": "note"}\n', '{"event": "phase", "name": "create"}\n']
    assert list(fixed.phases(iter([*lines, '{"event": "result"}\n']))) == ["create", "leave"]


def test_the_main_plans_are_known_and_compare_with_a_job_of_theirs() -> None:
    every = plans()
    assert set(MAIN) <= set(every)
    assert all(plan.base in plan.jobs and plan.seconds() > 0 for plan in every.values())


def test_growth_is_of_the_seconds_of_a_further_file() -> None:
    small = scale.Point(100, cost(3.0), None)
    middle = scale.Point(1100, cost(13.0), small)
    large = scale.Point(2100, cost(25.0), middle)
    assert (small.growth(), middle.growth()) == (None, None)
    assert large.growth() == pytest.approx(1.2)
    assert "| 12000.0 | 1.20 |" in large.text("first")


def test_files_that_seem_to_take_no_time_tell_nothing_good_of_those_that_do() -> None:
    quick = scale.Point(1100, cost(2.0), scale.Point(100, cost(3.0), None))
    assert scale.Point(2100, cost(4.0), quick).growth() == math.inf


def test_a_share_is_of_pairs() -> None:
    turns = [{"with": cost(more), "without": cost(1.0)} for more in (1.0, 1.25, 1.05)]
    half = {"with": Cost(1.1, 2.0, 1.0, 1, 1, 1), "without": Cost(1.0, 1.0, 1.0, 1, 1, 1)}
    told = table.share(turns, "with", "without")
    assert told.startswith("+5.0 % (+0.0 to +25.0; fastest +0.0 %) of the time, ")
    told = table.share([half], "with", "without")
    assert told.startswith("+10.0 % (+10.0 to +10.0; fastest +10.0 %) of the time, ")
    assert "+50.0 % (+50.0 to +50.0; fastest +50.0 %) of the processor time" in told


def test_the_fastest_turns_are_of_any_pair() -> None:
    turns = [
        {"with": cost(2.0), "without": cost(1.6)},
        {"with": cost(2.2), "without": cost(1.0)},
    ]
    assert "fastest +100.0 %" in table.share(turns, "with", "without")


def test_each_first_run_but_the_first_has_new_repositories(monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[str] = []

    class Empties(Lab):
        def anew(self, plan: Plan) -> None:
            done.append(f"anew for {plan.name}")

    def job(lab: Lab, name: str, archive: str) -> Cost:
        done.append(archive)
        return cost(1.0)

    monkeypatch.setattr(jobs, "job", job)
    plan = replace(plans()["few"], jobs=("stream",))
    for run, number in (("first", 0), ("first", 1), ("unchanged", 1)):
        turn(Empties(Path("/nowhere"), 0), plan, run, number)
    assert done == ["first0", "anew for few", "first1", "unchanged1"]
