"""A drill as one page of HTML, for people: it has no script, and asks for nothing.

A policy in the page forbids scripts, and all of the network. What comes from a client is text only.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from pathlib import Path

from borgpull.drills.outcomes import MEANINGS
from borgpull.outputs.drills import Reported
from borgpull.reports import figures, sections, trend
from borgpull.reports.chart import bar
from borgpull.reports.figures import count, cut, duration, moment
from borgpull.reports.icons import icon
from borgpull.reports.markup import NOTHING, Markup, element, joined

_REASONS = 50


def render(report: Reported) -> bytes:
    """In UTF-8."""
    head = element(
        "head",
        Markup('<meta charset="utf-8">'),
        Markup(f'<meta http-equiv="Content-Security-Policy" content="{policy()}">'),
        Markup('<meta name="viewport" content="width=device-width, initial-scale=1">'),
        Markup('<meta name="color-scheme" content="light dark">'),
        element("title", f"{report['outcome']}: restore drill of {report['client']}"),
        element("style", Markup(_style())),
    )
    body = element(
        "main",
        _top(report),
        _verdict(report),
        element("dl", *_cards(report), class_="cards"),
        sections.findings(report),
        sections.checks(report),
        element("div", sections.control(report), _right(report), class_="pair"),
        trend.section(report),
        sections.notes(report),
        sections.evidence(report),
        sections.not_proved(),
        _footer(report),
    )
    page = element("html", head, element("body", body), lang="en")
    return f"<!doctype html>\n{page}\n".encode()


def policy() -> str:
    digest = base64.b64encode(hashlib.sha256(_style().encode()).digest()).decode()
    return f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"


def _style() -> str:
    return Path(__file__).with_name("page.css").read_text(encoding="utf-8")


def _top(report: Reported) -> Markup:
    number = f" {report['number']}" if report["number"] else ""
    what = joined(element("b", "borgpull"), f" restore drill{number}")
    when = f"{moment(report['when'])}, took {duration(report['seconds'])}"
    return element("div", element("span", what), element("span", when), class_="kicker")


def _verdict(report: Reported) -> Markup:
    meaning = MEANINGS[report["outcome"]]
    title = element("h1", element("span", meaning.word), f" {report['client']}")
    return element(
        "div",
        element(
            "div",
            icon(report["outcome"], report["outcome"]),
            element("div", title, element("p", figures.verdict(report))),
        ),
        _reasons(report),
        element("dl", *_facts(report), class_="facts"),
        class_=f"verdict {meaning.colour}",
    )


def _reasons(report: Reported) -> Markup:
    shown = [element("li", cut(reason, 2000)) for reason in report["reasons"][:_REASONS]]
    if not shown:
        return NOTHING
    if (more := len(report["reasons"]) - len(shown)) > 0:
        shown.append(element("li", f"and {more} more"))
    return element("ul", *shown, class_="reasons")


def _facts(report: Reported) -> Iterator[Markup]:
    facts = {
        "Archive": report["archive"] or "none",
        "Made": moment(report["archive_time"]),
        "Chosen by": report["chosen"],
        "Asked for": f"{figures.what_was_drilled(report)}, by {report['how']}",
    }
    for name, value in facts.items():
        wide = "wide" if name == "Archive" else None
        yield element("div", element("dt", name), element("dd", cut(value, 300)), class_=wide)


def _cards(report: Reported) -> Iterator[Markup]:
    proved = figures.percent(report["proved"], report["restored"])
    differ = figures.differences(report)
    yield _card(
        "Proved",
        figures.percent_text(proved),
        f"{figures.share(report['proved'])}",
        bar(proved or 0.0, "proved", "green"),
    )
    looked = report["entries"] > 0
    yield _card(
        "Differences",
        count(differ) if differ or looked else "–",  # noqa: RUF001
        f"{count(report['entries'])} entries compared with the archive's listing",
        tone="red" if differ else "",
    )
    why = ", ".join(f"{count(number)} {word}" for word, number in report["unproved_why"].items())
    yield _card(
        "Not provable",
        f"{count(report['unproved']['files'])} files" if looked else "–",  # noqa: RUF001
        f"{figures.share(report['unproved'])}{': ' if why else ''}{why}",
    )
    yield _limited(report, "max_restore_time", "Restore time", report["restore_seconds"])
    yield _limited(report, "max_age", "Age of the data", report["age"])
    covered = report["coverage"]
    part = figures.percent(covered["proved"], covered["all"]) if covered else None
    yield _card(
        "Coverage",
        figures.percent_text(part),
        f"proved in {covered['days']} days" if covered else "not known",
        bar(part or 0.0, "covered", "green"),
    )


def _limited(report: Reported, name: str, title: str, value: float | None) -> Markup:
    limit = next((one for one in report["limits"] if one["name"] == name), None)
    if limit is None:
        return _card(title, duration(value), "no limit was set")
    part = min(100 * limit["value"] / limit["limit"], 100.0) if limit["limit"] else 100.0
    tone = "" if limit["ok"] else "yellow"
    text = f"{duration(limit['limit'])} are allowed"
    return _card(title, duration(limit["value"]), text, bar(part, text, tone), tone=tone)


def _card(title: str, value: str, text: str, below: Markup = NOTHING, *, tone: str = "") -> Markup:
    shown = element("dd", value, class_=f"value toned {tone}" if tone else "value")
    return element("div", element("dt", title), shown, element("dd", below, element("p", text)),
                   class_="card")  # fmt: skip


def _right(report: Reported) -> Markup:
    return element("div", sections.limits(report), sections.coverage(report))


def _footer(report: Reported) -> Markup:
    version = report["versions"].get("borgpull", "")
    text = f"Made by borgpull {version}. All times are in UTC."
    return element("footer", text)
