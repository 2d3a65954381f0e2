"""Each link of the documents leads to a file, and to a heading of it, that are there."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from tests.support.documents import PAGES, README, ROOT, anchors, links

ELSEWHERE = re.compile(r"https?://")


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


def broken(page: Path, targets: list[str]) -> list[str]:
    """Those relative links of a page that lead nowhere."""
    return [target for target in targets if not (ELSEWHERE.match(target) or is_there(page, target))]


def is_there(page: Path, target: str) -> bool:
    path, _, anchor = target.partition("#")
    file = (page.parent / path).resolve() if path else page
    if not (file.is_file() and file.is_relative_to(ROOT)):
        return False
    return not anchor or anchor in anchors(file.read_text())


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_lead_somewhere(page: Path) -> None:
    assert broken(page, links(page.read_text())) == []


@pytest.mark.parametrize(
    "target",
    ["nowhere.md", "docs/design.md#no-such-heading", "#no-such-heading", "../passwd", "docs"],
)
def test_one_that_leads_nowhere_is_found(target: str) -> None:
    assert broken(README, links(f"See [there]({target}).")) == [target]


def test_a_link_in_code_is_none() -> None:
    text = "`[a](b)`\n\n    [c](d)\n\n```text\n[e](f)\n```\n\n[g `h`](i)\n"
    assert links(text) == ["i"]


def test_anchors_are_githubs() -> None:
    text = "# Who, what?\n\n## `A` b-c\n\n## Twice\n\n## Twice\n\n```sh\n# no heading\n```\n"
    assert anchors(text) == {"who-what", "a-b-c", "twice", "twice-1"}


def test_the_readme_leads_to_each_page() -> None:
    targets = {(ROOT / target.partition("#")[0]).resolve() for target in links(README.read_text())}
    assert set(PAGES) - {README} <= targets


def test_pages_that_code_and_documents_name_are_there() -> None:
    """Hints and docstrings say `docs/NAME.md`, and no link can tell that it is gone."""
    tracked = subprocess.run(
        ["git", "ls-files", "*.md", "*.py", "*.sh", "*.yaml"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout.split()
    texts = [(name, (ROOT / name).read_text()) for name in tracked if (ROOT / name).is_file()]
    named = {
        (name, page)
        for name, text in texts
        if name != name_of(Path(__file__).resolve())
        for page in re.findall(r"\bdocs/[\w.-]+\.md", text)
    }
    assert named
    assert [pair for pair in sorted(named) if not (ROOT / pair[1]).is_file()] == []
