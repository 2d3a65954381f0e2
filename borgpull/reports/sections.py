"""The parts of the page below its head: what was found, checked and covered."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from borgpull.drills.outcomes import MEANINGS
from borgpull.outputs.drills import Checked, Finding, Outcome, Reported
from borgpull.reports import figures, record
from borgpull.reports.cases import LIMITS
from borgpull.reports.chart import bar
from borgpull.reports.figures import count, cut, duration, moment, share
from borgpull.reports.icons import icon
from borgpull.reports.markup import NOTHING, Markup, element, joined, lines

FIRST, SHOWN = 25, 1000  # findings: open, and in all
_OUTPUT = 64_000  # bytes of a check's output
NOT_PROVED = (
    "Flags, xattrs trusted.* and most of security.* are only compared with the archive's listing.",
    "borg stores no sockets, and only times from 1970 to 2038.",
    "The restore time is measured with the page cache as it was. It may have been warm.",
    "What the client had is what it told during the backup. A lie of then is not found here.",
)


def part(name: str, note: object, *children: object, class_: str | None = None) -> Markup:
    said = element("p", note) if note else NOTHING
    head = element("header", element("h2", name), said)
    return element("section", head, *children, class_=class_)


def badge(outcome: Outcome) -> Markup:
    meaning = MEANINGS[outcome]
    return element("span", meaning.word, class_=f"badge {meaning.colour}")


def findings(report: Reported) -> Markup:
    total = max(figures.differences(report), len(report["findings"]))
    if not total:
        done = report["control"] or report["outcome"] == "pass"
        text = (
            "No entry differs."
            if done
            else "None was found, but the drill did not come to its end."
        )
        return part("Findings", "", element("p", text, class_="soft"))
    kinds = [
        element("li", element("b", count(number)), f" {kind}")
        for kind, number in report["differs"].items()
    ]
    shown = report["findings"][:SHOWN]
    rest = shown[FIRST:]
    more = NOTHING
    if rest:
        summary = element("summary", f"{count(len(rest))} more")
        more = element("details", summary, _table(rest))
    missing = total - len(shown)
    cut = f"The list is cut: {count(len(shown))} of {count(total)} findings are shown."
    return part(
        "Findings",
        f"{count(total)} in all",
        element("ul", *kinds, class_="kinds") if kinds else NOTHING,
        _table(shown[:FIRST]) if shown else NOTHING,
        more,
        element("p", cut, class_="cut") if missing > 0 else NOTHING,
        class_="long",
    )


def _table(rows: Sequence[Finding]) -> Markup:
    names = ("Path", "What", "The client had", "Found")
    head = element("thead", element("tr", *(element("th", name) for name in names)))
    return element("table", head, element("tbody", *map(_row, rows)), class_="findings")


def _row(one: Finding) -> Markup:
    return element(
        "tr",
        element("td", element("code", cut(one["path"], 4096))),
        element("td", one["kind"]),
        element("td", element("code", cut(one["expected"], 300)), data_name="The client had"),
        element("td", element("code", cut(one["found"], 300)), data_name="Found"),
    )


def checks(report: Reported) -> Markup:
    if not report["checks"]:
        text = "No check of your own was run."
        return part("Checks", "", element("p", text, class_="soft"))
    good = sum(one["outcome"] == "pass" for one in report["checks"])
    each = element("ul", *map(_check, report["checks"]), class_="checks")
    return part("Checks", f"{good} of {len(report['checks'])} passed", each, class_="long")


def _check(one: Checked) -> Markup:
    bad = one["outcome"] != "pass"
    output = NOTHING
    if one["output"]:
        told = lines(one["output"].splitlines(), _OUTPUT, "cut: {} lines are shown")
        output = element(
            "details",
            element("summary", "Output"),
            element("pre", told),
            open="" if bad else None,
        )
    return element(
        "li",
        element("div", badge(one["outcome"])),
        element("h3", one["name"]),
        element("span", duration(one["seconds"]), class_="soft small number"),
        element(
            "div",
            element("p", cut(one["detail"], 2000)) if one["detail"] else NOTHING,
            element("p", element("code", cut(one["command"], 1000)), f" as {one['user']}",
                    f" in {one['image']}" if one["image"] else NOTHING, class_="soft small"),
            output,
            class_="more",
        ),
    )  # fmt: skip


def control(report: Reported) -> Markup:
    done = report["control"]
    if not done:
        text = "It was not run: it follows a comparison that found no difference."
        return part("Control", "", element("p", text, class_="soft"))
    seen = sum(one["seen"] for one in done)
    each = [
        _tick(
            one["seen"],
            "orange",
            f"{one['kind']}: {'seen' if one['seen'] else 'NOT seen'}",
            cut(one["path"], 300),
        )
        for one in done
    ]
    why = "The drill spoils its own copy, and must see each fault."
    return part("Control", f"{seen} of {len(done)} seen", element("p", why, class_="soft small"),
                Markup("<br>"), element("ul", *each, class_="ticks"))  # fmt: skip


def limits(report: Reported) -> Markup:
    each = [
        _tick(
            one["ok"],
            "yellow",
            f"{LIMITS.get(one['name'], one['name'])}: {duration(one['value'])}",
            f"{duration(one['limit'])} are allowed",
        )
        for one in report["limits"]
    ]
    if not each:
        return part("Limits", "", element("p", "No limit was set.", class_="soft"))
    return part("Limits", "", element("ul", *each, class_="ticks"))


def _tick(ok: bool, bad: str, text: str, small: str) -> Markup:
    mark = icon("pass" if ok else "differs", "good" if ok else "bad")
    tone = "green" if ok else bad
    return element("li", mark, element("div", text, element("small", small)), class_=tone)


def coverage(report: Reported) -> Markup:
    covered = report["coverage"]
    if covered is None:
        return part("Coverage", "", element("p", "Not known: the drill did not come to it.",
                                            class_="soft"))  # fmt: skip
    part_of = figures.percent(covered["proved"], covered["all"]) or 0.0
    text = f"{figures.percent_text(part_of)} of the content of this archive"
    oldest = "All of it is proved."
    if covered["oldest_unproved"]:
        oldest = f"The oldest unproved content waits since {moment(covered['oldest_unproved'])}."
    return part(
        "Coverage",
        f"proved by drills of the last {covered['days']} days",
        element("p", element("b", text)),
        bar(part_of, text, "green"),
        element("p", f"{share(covered['proved'])} of {share(covered['all'])}. {oldest}",
                class_="soft small"),
    )  # fmt: skip


def notes(report: Reported) -> Markup:
    if not report["notes"]:
        return NOTHING
    shown = report["notes"][:100]
    each = [element("li", cut(note, 1000)) for note in shown]
    if (more := len(report["notes"]) - len(shown)) > 0:
        each.append(element("li", f"and {more} more"))
    return part("Notes", "no failures", element("ul", *each, class_="plain"))


def evidence(report: Reported) -> Markup:
    signed = bool(report["signature"])
    note = "signed" if signed else "NOT signed"
    facts = element("dl", *_facts(report), class_="evidence")
    how = joined(
        element("p", "Check the signature of the record beside this page:", class_="soft small"),
        element("pre", record.VERIFY),
    )
    return part("Evidence", note, facts, Markup("<br>"), how if signed else NOTHING)


def _facts(report: Reported) -> Iterator[Markup]:
    isolated = {True: "yes", False: "no, there was a way out", None: "not looked"}
    facts = {
        "Archive's id": report["archive_id"],
        "Key of the signature": record.fingerprint(report),
        "Manifest": report["manifest"] and f"number {report['manifest']}",
        "Without a way out to a network": isolated[report["isolated"]],
        "Versions": ", ".join(f"{name} {word}" for name, word in report["versions"].items()),
    }
    for name, value in facts.items():
        if value:
            yield element("div", element("dt", name), element("dd", element("code", value)))


def not_proved() -> Markup:
    each = (element("li", text) for text in NOT_PROVED)
    return part("What a drill does not prove", "", element("ul", *each, class_="plain small soft"))
