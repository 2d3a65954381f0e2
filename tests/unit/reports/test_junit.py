from __future__ import annotations

import xml.etree.ElementTree as ET
from pathlib import Path

import junitparser
import pytest

from borgpull.drills.outcomes import MEANINGS
from borgpull.outputs.drills import Outcome, Reported
from borgpull.reports.junit import render
from tests.support.reports import HOSTILE, check, findings, hostile, report

# What the schema junit-10 (xunit2) allows in an element.
ATTRIBUTES = {
    "testsuites": set(),
    "testsuite": set("name tests failures errors skipped time timestamp".split()),
    "properties": set(),
    "property": {"name", "value"},
    "testcase": {"classname", "name", "time"},
    "failure": {"type", "message"},
    "error": {"type", "message"},
    "system-out": set(),
}


def read(told: Reported) -> ET.Element:
    """The suite, whose numbers are right, and whose elements the schema knows."""
    root = ET.fromstring(render(told))  # our own
    for element in root.iter():
        assert set(element.attrib) <= ATTRIBUTES[element.tag], element.tag
    (suite,) = root
    cases = suite.findall("testcase")
    assert [child.tag for child in suite] == ["properties", *["testcase"] * len(cases)]
    assert int(suite.attrib["tests"]) == len(cases)
    for what in ("failure", "error"):
        assert int(suite.attrib[f"{what}s"]) == len(list(suite.iter(what)))
    names = [(case.attrib["classname"], case.attrib["name"]) for case in cases]
    assert len(names) == len(set(names))
    return suite


def bad(suite: ET.Element) -> dict[str, tuple[str, str]]:
    """Element and type, by the last part of a case's name."""
    return {
        case.attrib["name"].split("/")[-1]: (case[0].tag, case[0].attrib["type"])
        for case in suite.findall("testcase")
        if len(case) and case[0].tag != "system-out"
    }


def test_a_good_drill_has_a_case_for_all_that_was_looked_at() -> None:
    suite = read(report())
    names = [case.attrib["name"].split("/", 2) for case in suite.findall("testcase")]
    assert {(client, archive) for client, archive, _ in names} == {("web1", "web1-2026-11-28T0215")}
    kinds = [name.split(":")[0] for _, _, name in names]
    assert kinds == ["restore", "limit", "limit", *["control"] * 6, "check", "check"]
    assert bad(suite) == {}


@pytest.mark.parametrize("outcome", MEANINGS)
def test_an_outcome_is_its_element(outcome: Outcome) -> None:
    """What no other case explains is told by the comparison's."""
    meaning = MEANINGS[outcome]
    suite = read(report(outcome=outcome, reasons=[] if outcome == "pass" else ["why"]))
    wanted = {"restore": (meaning.element, meaning.type)} if meaning.element else {}
    assert bad(suite) == wanted
    assert b"skipped>" not in render(report(outcome=outcome))


def test_each_fault_is_in_its_own_case() -> None:
    checks = [check("a", "differs", "no"), check("b", "could not verify", "no"), check("c")]
    told = report(
        outcome="differs",
        reasons=["check a: no", "too slow", "check b: no"],
        checks=checks,
        limits=[{"name": "max_age", "limit": 5, "value": 9.0, "ok": False}],
    )
    assert bad(read(told)) == {
        "check: a": ("failure", "differs"),
        "check: b": ("error", "could-not-verify"),
        "limit: age of the data": ("failure", "limit"),
    }


def test_a_reason_that_no_other_case_has_is_never_hidden_by_them() -> None:
    told = report(
        outcome="differs",
        reasons=["check a: no", "9 of 10 files are not provable"],
        checks=[check("a", "differs", "no")],
    )
    found = bad(read(told))
    assert found["restore"] == ("error", "could-not-verify")
    told = report(outcome="differs", reasons=["check a: no"], restore_seconds=None,
                  checks=[check("a", "differs", "no")])  # fmt: skip
    assert bad(read(told))["restore"] == ("error", "could-not-verify")


def test_what_a_hostile_client_has_named_is_text() -> None:
    told = hostile()
    suite = read(told)
    failure = suite.find("testcase/failure")
    assert failure is not None and failure.text is not None
    assert len(failure.text.splitlines()) == len(HOSTILE) + 1  # and one that says what is cut
    assert HOSTILE[0] in failure.text and HOSTILE[2] in failure.text
    assert r"/srv/not utf-8 \udcff\udcfe: content" in failure.text


def test_names_that_are_the_same_are_told_apart() -> None:
    checks = [check(name) for name in ("a", "a", "a (2)", "\n", "\\n", "x" * 900, "x" * 901)]
    read(report(checks=checks))


def test_a_check_keeps_the_ends_of_its_lines() -> None:
    suite = read(report(checks=[check("a", output="one\ntwo <b>\x1b\n")]))
    assert [out.text for out in suite.iter("system-out")] == ["one\ntwo <b>\\x1b"]


def test_very_many_findings_are_cut_and_it_says_so() -> None:
    many = findings(tuple(f"/srv/{number:06}/&&&&<" for number in range(200_000)))
    data = render(report(outcome="differs", differs={"content": 200_000}, findings=many))
    assert len(data) < 30_000_000
    body = ET.fromstring(data).find("*/testcase/failure")
    assert body is not None and body.text is not None
    assert body.text.splitlines()[-1].startswith("cut: ")
    assert body.text.splitlines()[-1].endswith(" of 200000 findings are listed")


def test_very_many_checks_are_not_too_large() -> None:
    checks = [
        check(f"{n}" * 90, "differs", "\0" * 4096, ("\0" * 60 + "\n") * 16) for n in range(2000)
    ]
    assert len(render(report(outcome="differs", checks=checks))) < 30_000_000


def test_ci_reads_it(tmp_path: Path) -> None:
    path = tmp_path / "junit.xml"
    path.write_bytes(render(hostile()))
    found = junitparser.JUnitXml.fromfile(str(path))
    results = [result for suite in found for case in suite for result in case.result]
    assert any(isinstance(result, junitparser.Failure) for result in results)
    assert {result.type for result in results} == {"differs", "could-not-verify", "internal"}
    assert found.skipped == 0
