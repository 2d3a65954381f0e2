"""The part of the page that shows this drill beside the drills before it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from borgpull.drills.outcomes import MEANINGS
from borgpull.outputs.drills import Limit, Past, Reported
from borgpull.plain import size
from borgpull.reports import figures
from borgpull.reports.chart import Axis, Point, chart, clock_top, decimal_top
from borgpull.reports.figures import duration, moment
from borgpull.reports.markup import NOTHING, Markup, element

SHOWN = 60

Value = Callable[[Past], float | None]


def section(report: Reported) -> Markup:
    drills = _drills(report)
    head = element(
        "header",
        element("h2", "Trend"),
        element("p", "the first drill of this client" if len(drills) == 1
                else f"the last {len(drills)} drills of this client"),
    )  # fmt: skip
    return element("section", head, _strip(drills), _charts(report, drills), _legend(drills))


def _drills(report: Reported) -> list[Past]:
    """This drill is the last."""
    this: Past = {
        "number": report["number"],
        "when": report["when"],
        "outcome": report["outcome"],
        "archive": report["archive"] or "",
        "how": report["how"],
        "sample": report["sample"],
        "restore_seconds": report["restore_seconds"],
        "restored": report["restored"],
        "proved": report["proved"],
        "unproved": report["unproved"],
        "coverage": report["coverage"],
    }
    return [*report["history"], this][-SHOWN:]


def _strip(drills: Sequence[Past]) -> Markup:
    each = []
    for past in drills:
        title = _title(past)
        hidden = element("span", title, class_="hidden")
        each.append(element("li", hidden, class_=MEANINGS[past["outcome"]].colour, title=title))
    return element("ol", *each, class_="strip")


def _title(past: Past) -> str:
    return f"drill {past['number']}, {moment(past['when'])}: {past['outcome']}"


def _charts(report: Reported, drills: Sequence[Past]) -> Markup:
    return element(
        "div",
        _figure("Restore time", drills, lambda past: past["restore_seconds"],
                lambda most: Axis(clock_top(most), _short_duration), _limit(report["limits"])),
        _figure("Restored", drills, lambda past: float(past["restored"]["bytes"]) or None,
                lambda most: Axis(decimal_top(most), _short_size)),
        _figure("Coverage", drills, _covered, lambda _: Axis(100, _percent)),
        class_="charts",
    )  # fmt: skip


def _covered(past: Past) -> float | None:
    covered = past["coverage"]
    return None if covered is None else figures.percent(covered["proved"], covered["all"])


def _limit(limits: Sequence[Limit]) -> float | None:
    return next((one["limit"] for one in limits if one["name"] == "max_restore_time"), None)


def _figure(
    name: str,
    drills: Sequence[Past],
    value_of: Value,
    axis_of: Callable[[float], Axis],
    limit: float | None = None,
) -> Markup:
    known = [(past, value) for past in drills if (value := value_of(past)) is not None]
    if not known:
        caption = element("figcaption", element("b", name))
        return element("figure", caption, element("p", "not known yet", class_="soft small"))
    axis = axis_of(max(value for _, value in known))
    parts = _parts(drills[-1])
    points = [
        Point(
            _unix(past["when"]),
            value,
            MEANINGS[past["outcome"]].colour,
            name == "Coverage" or _parts(past) == parts,
            f"{_title(past)}; {axis.text(value)}",
        )
        for past, value in known
    ]
    last = axis.text(known[-1][1])
    label = f"{name}: {len(known)} drills, the last {last}"
    ends = (known[0][0]["when"][:10], known[-1][0]["when"][:10])
    caption = element("figcaption", element("b", name), element("span", last))
    return element("figure", caption, chart(points, axis, label, ends, limit))


def _parts(past: Past) -> str:
    """Drills of the same share of the files are comparable."""
    return (past["sample"] or "1/1").partition("/")[2]


def _unix(iso: str) -> float:
    try:
        when = datetime.fromisoformat(iso)
    except ValueError:
        return 0.0
    return (when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp()


def _percent(value: float) -> str:
    return "0" if not value else figures.percent_text(value).replace(".0 ", " ")


def _short_duration(seconds: float) -> str:
    return "0" if not seconds else duration(seconds).replace(".0 ", " ")


def _short_size(number: float) -> str:
    return "0" if not number else size(number).replace(".0 ", " ")


def _legend(drills: Sequence[Past]) -> Markup:
    there = {past["outcome"] for past in drills}
    words = [
        element("li", element("i", class_=meaning.colour), outcome)
        for outcome, meaning in reversed(MEANINGS.items())
        if outcome in there
    ]
    mixed = len({_parts(past) for past in drills}) > 1
    note = "A hollow point is a drill of another share of the files: not comparable."
    words.append(element("li", note) if mixed else NOTHING)
    return element("ul", *words, class_="legend")
