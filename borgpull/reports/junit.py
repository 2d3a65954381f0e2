"""A drill as JUnit's XML, for CI: the form that pytest calls xunit2.

There is never a `<skipped>`: what did not run is an `<error>`.
"""

from __future__ import annotations

from collections.abc import Iterator

from borgpull.drills.outcomes import MEANINGS
from borgpull.outputs.drills import Reported
from borgpull.reports.cases import COMPARISON, Case, cases
from borgpull.reports.figures import cut
from borgpull.reports.markup import Markup, element, joined, lines

# CI refuses larger files (GitLab: 30 MB), and libxml2 a longer text (10 MB).
FINDINGS, OUTPUTS = 4_000_000, 8_000_000  # bytes
_LONGEST = 200  # characters


def render(report: Reported) -> bytes:
    """At most 30 MB with 2,000 checks, in UTF-8."""
    found = cases(report)
    room = min(20_000, OUTPUTS // len(found))  # for each case
    outcomes = [MEANINGS[case.outcome].element for case in found]
    suite = element(
        "testsuite",
        Markup("\n"),
        _properties(report),
        *(_case(report, case, room) for case in found),
        name=f"borgpull drill {cut(report['client'], _LONGEST)}",
        tests=len(found),
        failures=outcomes.count("failure"),
        errors=outcomes.count("error"),
        skipped=0,
        time=f"{report['seconds']:.3f}",
        timestamp=report["when"][:19],
    )
    text = f'<?xml version="1.0" encoding="utf-8"?>\n{element("testsuites", suite)}\n'
    return text.encode()


def _properties(report: Reported) -> Markup:
    facts = {
        "outcome": report["outcome"],
        "drill": report["number"],
        "archive_id": report["archive_id"],
        "archive_time": report["archive_time"],
        "sample": report["sample"] or "all",
        **{f"version.{name}": version for name, version in report["versions"].items()},
    }
    each = (
        element("property", name=cut(name, _LONGEST), value=cut(value, _LONGEST))
        for name, value in facts.items()
        if value is not None
    )
    return joined(element("properties", *each), Markup("\n"))


def _case(report: Reported, case: Case, room: int) -> Markup:
    meaning = MEANINGS[case.outcome]
    if case.name == COMPARISON:
        total = max(sum(report["differs"].values()), len(report["findings"]))
        body = lines(_findings(report), FINDINGS, f"cut: {{}} of {total} findings are listed")
        message = cut(case.message, 10 * _LONGEST)
    else:
        body = lines(case.output.splitlines(), room, "cut: {} lines of the output are shown")
        message = cut(case.message, _LONGEST)
    inside: Markup | str = ""
    if meaning.element:
        inside = element(meaning.element, body, type=meaning.type, message=message)
    elif case.output:
        inside = element("system-out", body)
    archive = cut(report["archive"] or report["chosen"], _LONGEST)
    return joined(
        element(
            "testcase",
            inside,
            classname=f"borgpull.drill.{cut(report['client'], _LONGEST)}",
            name=f"{cut(report['client'], _LONGEST)}/{archive}/{case.name}",
            time=f"{case.seconds:.3f}",
        ),
        Markup("\n"),
    )


def _findings(report: Reported) -> Iterator[str]:
    for one in report["findings"]:
        yield f"{one['path']}: {one['kind']}: {one['expected']} -> {one['found']}"
    if (total := sum(report["differs"].values())) > len(report["findings"]):
        yield f"cut: {len(report['findings'])} of {total} findings are listed"
