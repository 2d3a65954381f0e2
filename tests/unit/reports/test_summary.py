from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest
from markdown_it import MarkdownIt

from borgpull.drills.outcomes import MEANINGS
from borgpull.outputs.drills import Outcome
from borgpull.plain import safe
from borgpull.reports.summary import MOST, render
from tests.support.reports import HOSTILE, findings, hostile, past, report

# All that Markdown or HTML could take for a mark, but what the report itself writes.
OURS = re.compile(r"</?code>|&#\d+;|^## |^### |^- |^\|( --- \|)+$|^\| | \| | \|$")


@pytest.mark.parametrize("outcome", MEANINGS)
def test_the_outcome_comes_first(outcome: Outcome) -> None:
    text = render(report(outcome=outcome, reasons=["this is why"])).decode()
    assert MEANINGS[outcome].word in text.splitlines()[0]
    assert text.index("this is why") < text.index("| archive |") < text.index("### Checks")
    order = [text.index(f"### {name}") for name in ("Checks", "Control", "Limits", "Coverage")]
    assert order == sorted(order)


def test_no_name_is_a_mark() -> None:
    text = render(hostile()).decode()
    for line in text.splitlines():
        rest = OURS.sub("", line)
        assert not re.search(r"[<>`*_\[\]\\|#@~]|://|www|\bx\.test", rest), line
        assert line.count("<code>") == line.count("</code>")
    rows = [line for line in text.splitlines() if line.startswith("| <code>")]
    assert len(rows) == len(HOSTILE)
    assert {len(re.split(r" \| ", row)) for row in rows} == {4}


class Read(HTMLParser):
    """The elements of a page, and the text of each `<code>`."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.codes: list[str] = []
        self.inside = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert attrs == []
        self.tags.add(tag)
        self.inside = tag == "code"
        self.codes += [""] if self.inside else []

    def handle_endtag(self, tag: str) -> None:
        self.inside = False

    def handle_data(self, data: str) -> None:
        if self.inside:
            self.codes[-1] += data


def test_markdown_shows_names_as_they_are() -> None:
    page = MarkdownIt("gfm-like", {"html": True, "linkify": False}).render(
        render(hostile()).decode()
    )
    found = Read()
    found.feed(page)
    assert found.tags == set("h2 h3 p ul li table thead tbody tr th td code".split())
    shown = [text for text in found.codes if text.startswith("/srv/")]
    wanted = [safe(path) for path in HOSTILE]
    assert set(wanted) <= set(shown)


def test_a_long_one_is_cut_and_it_says_so() -> None:
    many = findings(tuple(f"/srv/{'ä' * 80}/{number:06}" for number in range(200_000)))
    told = report(outcome="differs", differs={"content": 200_000}, findings=many)
    data = render(told)
    assert MOST // 2 < len(data) <= MOST
    text = data.decode()
    assert "The table is cut: 200\u00a0000 findings" in text
    assert "### Coverage" in text  # what comes after the findings is there


def test_findings_that_the_drill_has_not_kept_are_told() -> None:
    told = report(outcome="differs", differs={"content": 5000}, findings=findings(("/a",)))
    assert "The table is cut: 1 of 5\u00a0000 are shown." in render(told).decode()


def test_many_notes_cannot_push_it_over() -> None:
    notes, checks = ["\0" * 2000] * 5000, hostile()["checks"] * 3000
    reasons = ["\U000e0001" * 2000] * 500
    data = render(
        report(outcome="differs", reasons=reasons, notes=notes, checks=checks, history=[past(1)])
    )
    assert len(data) <= MOST
    assert "This summary is cut" in data.decode()
