"""The page on faults is what is tested."""

from __future__ import annotations

from pathlib import Path

from tests.support import faults


def test_the_page_is_made_from_the_table() -> None:
    page = Path(faults.__file__).parents[2] / "docs" / "faults.md"
    assert page.read_text() == faults.page(), "python -m tests.support.faults > docs/faults.md"
