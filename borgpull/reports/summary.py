"""A drill as Markdown, for the summary of a CI job: the outcome first.

What comes from a client is in `<code>`, and each of its characters that Markdown or HTML could read
as a mark is an entity.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import chain

from borgpull.drills.outcomes import MEANINGS
from borgpull.outputs.drills import Outcome, Reported
from borgpull.plain import safe
from borgpull.reports import figures
from borgpull.reports.cases import LIMITS
from borgpull.reports.figures import cut, duration, moment, share

MOST = 1 << 20  # bytes; GitHub refuses a longer summary
SIGNS = {"green": "🟢", "red": "🔴", "orange": "🟠", "yellow": "🟡"}
_OTHERS = 400_000  # bytes of MOST that findings may not take
_REASONS = 30
_MARKS = re.compile(r"[^\w /,=+-]", re.ASCII)
_LINKS = re.compile(r"(?i)www")


def render(report: Reported) -> bytes:
    """At most 1 MiB, in UTF-8."""
    before = "\n".join([*_head(report), *_figures(report)])
    cut_off = "\nThis summary is cut: it would be too long."
    after = _within(chain(_checks(report), _others(report)), _OTHERS, cut_off)
    room = MOST - len(before.encode()) - len(after.encode()) - 200
    total = max(figures.differences(report), len(report["findings"]))
    rest = f"\nThe table is cut: {figures.count(total)} findings are more than fit in here."
    return "\n".join([before, _within(_findings(report), room, rest), after]).encode()


def text(value: object, most: int = 300) -> str:
    """For anywhere in a line: no mark of Markdown or HTML is left in it."""
    word = _MARKS.sub(lambda mark: f"&#{ord(mark[0])};", safe(cut(value, most)))
    word = word.replace("_", "&#95;")
    return _LINKS.sub(lambda w: f"&#{ord(w[0][0])};{w[0][1:]}", word)


def code(value: object, most: int = 300) -> str:
    return f"<code>{text(value, most)}</code>"


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> Iterator[str]:
    names = list(head)
    yield ""
    yield f"| {' | '.join(names)} |"
    yield f"| {' | '.join('---' for _ in names)} |"
    for row in rows:
        yield f"| {' | '.join(row)} |"


def sign(outcome: Outcome) -> str:
    meaning = MEANINGS[outcome]
    return f"{SIGNS[meaning.colour]} {meaning.word}"


def _within(lines: Iterable[str], most: int, rest: str) -> str:
    """The first lines, of at most so many bytes; `rest` in place of the others."""
    kept, size = [], 0
    for line in lines:
        size += len(line.encode()) + 1
        if size > most:
            kept.append(rest)
            break
        kept.append(line)
    return "\n".join(kept)


def _head(report: Reported) -> Iterator[str]:
    yield f"## {sign(report['outcome'])}: restore drill of {text(report['client'])}"
    yield ""
    yield figures.verdict(report)
    if report["reasons"]:
        yield ""
    for reason in report["reasons"][:_REASONS]:
        yield f"- {text(reason, 500)}"
    if (more := len(report["reasons"]) - _REASONS) > 0:
        yield f"- and {more} more reasons"


def _figures(report: Reported) -> Iterator[str]:
    archive = code(report["archive"]) if report["archive"] else "none"
    rows = [
        ("archive", f"{archive}, {moment(report['archive_time'])}"),
        ("chosen", f"{code(report['chosen'])}, {figures.what_was_drilled(report)}"),
        ("age of the data", duration(report["age"])),
        ("restore time", duration(report["restore_seconds"])),
        ("entries compared", figures.count(report["entries"])),
        ("restored", share(report["restored"])),
        ("proved", share(report["proved"])),
        ("not provable", share(report["unproved"]) + _why(report)),
        ("differences", figures.count(figures.differences(report))),
        ("drill", f"number {report['number']}, {moment(report['when'])}"),
    ]
    yield from table(("what", "value"), rows)


def _why(report: Reported) -> str:
    why = ", ".join(f"{number} {text(word)}" for word, number in report["unproved_why"].items())
    return f" ({why})" if why else ""


def _findings(report: Reported) -> Iterator[str]:
    if not report["findings"]:
        return
    yield ""
    yield "### Findings"
    kinds = report["differs"].items()
    if kinds:
        yield ""
        yield ", ".join(f"{figures.count(number)} {text(kind)}" for kind, number in kinds)
    rows = (
        (code(one["path"], 4096), text(one["kind"]), code(one["expected"]), code(one["found"]))
        for one in report["findings"]
    )
    yield from table(("path", "what", "the client had", "found"), rows)
    if (total := figures.differences(report)) > (shown := len(report["findings"])):
        yield ""
        yield f"The table is cut: {figures.count(shown)} of {figures.count(total)} are shown."


def _checks(report: Reported) -> Iterator[str]:
    yield ""
    yield "### Checks"
    if report["checks"]:
        rows = (
            (
                sign(one["outcome"]),
                text(one["name"]),
                duration(one["seconds"]),
                code(one["command"]),
                text(one["detail"]),
            )
            for one in report["checks"]
        )
        yield from table(("outcome", "check", "time", "command", "why"), rows)
    else:
        yield ""
        yield "No check was run."


def _others(report: Reported) -> Iterator[str]:
    yield ""
    yield "### Control"
    yield ""
    if control := report["control"]:
        seen = sum(one["seen"] for one in control)
        yield f"{seen} of {len(control)} faults that the drill made in its own copy were seen."
        missed = ", ".join(text(one["kind"]) for one in control if not one["seen"])
        yield f"Not seen: {missed}." if missed else ""
    else:
        yield "It was not run: it follows a comparison that found no difference."
    if report["limits"]:
        yield ""
        yield "### Limits"
        rows = (
            (
                sign("pass" if one["ok"] else "outside limits"),
                text(LIMITS.get(one["name"], one["name"])),
                duration(one["value"]),
                duration(one["limit"]),
            )
            for one in report["limits"]
        )
        yield from table(("outcome", "limit", "value", "allowed"), rows)
    if (covered := report["coverage"]) is not None:
        part = figures.percent_text(figures.percent(covered["proved"], covered["all"]))
        yield ""
        yield "### Coverage"
        yield ""
        yield f"{part} of this archive was proved in {covered['days']} days:"
        yield f"{share(covered['proved'])} of {share(covered['all'])}."
        if covered["oldest_unproved"]:
            yield f"The oldest unproved content waits since {moment(covered['oldest_unproved'])}."
    if report["notes"]:
        yield ""
        yield "### Notes"
        yield ""
        yield from (f"- {text(note, 1000)}" for note in report["notes"][:100])
