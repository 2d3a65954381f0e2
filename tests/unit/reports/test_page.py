"""A real browser looks at the page."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from borgpull.drills.outcomes import MEANINGS
from borgpull.outputs.drills import Outcome, Reported
from borgpull.reports.page import render
from tests.support import browser
from tests.support.reports import HOSTILE, coverage, findings, hostile, past, report, share

DESK, PHONE = 1280, 390


@pytest.fixture(scope="module")
def screen(tmp_path_factory: pytest.TempPathFactory) -> Iterator[browser.Page]:
    name = browser.program()
    if name is None:
        if os.environ.get("CI"):
            pytest.fail("no browser: scripts/ground browser")
        pytest.skip("no browser: scripts/ground browser")
    with browser.opened(name, tmp_path_factory.mktemp("browser")) as page:
        yield page


def early() -> Reported:
    """It was stopped before it began."""
    nothing = share(0, 0)
    unknown = ("archive", "archive_id", "archive_time", "age", "restore_seconds", "coverage",
               "manifest", "isolated")  # fmt: skip
    empty = ("control", "checks", "limits", "history", "notes")
    return report(
        outcome="could not verify",
        reasons=["not isolated"],
        entries=0,
        restored=nothing,
        proved=nothing,
        unproved=nothing,
        unproved_why={},
        **dict.fromkeys(unknown),
        **{name: [] for name in empty},
    )


@pytest.mark.parametrize("told", [report(), early(), hostile()], ids=["good", "early", "hostile"])
def test_a_browser_shows_it_at_each_width_and_asks_for_nothing(
    screen: browser.Page, tmp_path: Path, told: Reported
) -> None:
    path = tmp_path / "drill.html"
    path.write_bytes(render(told))
    for width, dark in ((DESK, False), (PHONE, True)):
        screen.open(path, width, dark=dark)
        assert screen.requests() == [path.as_uri()]
        assert screen.complaints() == []
        assert screen.value("document.documentElement.scrollWidth") <= width
        for each in ("main", "section", "td", "code", "pre", "h1", "svg", "li"):
            right = f"[...document.querySelectorAll('{each}')].map(e => e.getBoundingClientRect())"
            assert screen.value(f"Math.max(0, ...{right}.map(box => box.right))") <= width, each
        assert screen.value("[window.pwned, document.scripts.length, document.images.length]") == [
            None, 0, 0,
        ]  # fmt: skip
        # The policy has let the style in: a wrong hash would leave a bare page.
        ground = screen.value("getComputedStyle(document.body).backgroundColor")
        assert ground == ("rgb(13, 18, 23)" if dark else "rgb(244, 246, 248)")
    assert MEANINGS[told["outcome"]].word in screen.value("document.querySelector('h1').innerText")


def test_a_hostile_name_is_read_as_it_is(screen: browser.Page, tmp_path: Path) -> None:
    path = tmp_path / "drill.html"
    path.write_bytes(render(hostile()))
    screen.open(path, DESK)
    cells = "[...document.querySelectorAll('.findings td:first-child')].map(e => e.textContent)"
    shown = screen.value(cells)
    assert shown[:5] == list(HOSTILE[:5])
    assert shown[5:8] == [
        r"/srv/line\n## heading\r\n| a | b |",
        r"/srv/not utf-8 \udcff\udcfe",
        r"/srv/bell\x07 escape\x1b[31m nul\x00 end",
    ]


def test_no_policy_means_that_a_browser_complains(screen: browser.Page, tmp_path: Path) -> None:
    """What the tests above look at does see it."""
    path = tmp_path / "drill.html"
    text = render(report()).decode().replace("</main>", '<img src="http://x.test/a.png"></main>')
    path.write_text(text)
    screen.open(path, PHONE)
    assert any("Content Security Policy" in line for line in screen.complaints())
    path.write_text(re.sub(r"<meta http-equiv[^>]*>", "", text) + f"<pre>{'x' * 900}")
    screen.open(path, PHONE)
    assert "http://x.test/a.png" in screen.requests()


def test_nothing_in_it_leads_away() -> None:
    for told in (report(), hostile()):
        text = render(told).decode()
        tags = re.findall(r"<[a-z!/][^<>]*>", text)
        assert not [tag for tag in tags if re.search(r"\b(?:src|href|style|on\w+|action)=", tag)]
        style = text.partition("<style>")[2].partition("</style>")[0]
        assert "url(" not in style and "@import" not in style
        assert "<script" not in text and "<img" not in text


@pytest.mark.parametrize("outcome", MEANINGS)
def test_each_outcome_has_its_word_and_colour(outcome: Outcome) -> None:
    text = render(report(outcome=outcome, reasons=["why & how"])).decode()
    meaning = MEANINGS[outcome]
    assert f'class="verdict {meaning.colour}"' in text
    assert f"<h1><span>{meaning.word}</span> web1</h1>" in text
    assert "why &amp; how" in text


def test_findings_are_cut_and_it_says_so() -> None:
    many = findings(tuple(f"/srv/{number}" for number in range(3000)))
    text = render(report(outcome="differs", differs={"mode": 3000}, findings=many)).decode()
    assert "The list is cut: 1\u00a0000 of 3\u00a0000 findings are shown." in text
    assert text.count("<tr>") == 1 + 1000 + 1


def test_part_of_the_bytes_is_never_said_to_be_all() -> None:
    text = render(report(proved=share(411_999, 74 * 10**9 - 1))).decode()
    assert "&gt; 99.9 %" in text
    assert "100 %</dd>" not in text


def test_drills_of_another_share_are_not_joined_by_the_line() -> None:
    history = [past(3, sample="1/14"), past(2), past(1, "differs")]
    text = render(report(history=history, coverage=coverage(100))).decode()
    assert text.count('class="green other"') == 2  # of time and size; coverage is of all drills
    assert "not comparable" in text
    assert "not comparable" not in render(report(history=history[1:])).decode()
