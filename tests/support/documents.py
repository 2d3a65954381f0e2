"""The documents, as a reader types them: what is a command, what is shown, what is linked.

An indented block is typed, and so is a fenced one of `sh`. A fenced block of `text` is what the
block before it prints.
"""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
README = ROOT / "README.md"
REFERENCE = ROOT / "docs" / "reference.md"
PAGES = (
    README,
    ROOT / "CONTRIBUTING.md",
    ROOT / "CHANGELOG.md",
    *sorted((ROOT / "docs").glob("*.md")),
)


@dataclass(frozen=True)
class Block:
    """Lines of a document that are no prose, without their indentation."""

    kind: str  # sh: typed; text: shown
    text: str


def blocks(markdown: str) -> list[Block]:
    """The code blocks of a document, in its order."""
    found: list[Block] = []
    kind, lines = "", list[str]()
    for line in [*markdown.splitlines(), ""]:
        fence = re.match(r"```(\w*)$", line)
        if kind.startswith("fenced "):
            if fence:
                found.append(Block(kind.removeprefix("fenced "), "\n".join(lines)))
                kind, lines = "", []
            else:
                lines.append(line)
        elif re.match(r" {4,}\S", line):
            kind, lines = "sh", [*lines, line.strip()]
        else:
            if kind:
                found.append(Block(kind, "\n".join(lines)))
            kind, lines = f"fenced {fence[1]}" if fence else "", []
    assert not kind, f"a fence is open: {lines}"
    return found


def section(markdown: str, heading: str) -> str:
    """A heading's text, down to the next heading of its level or above it."""
    level = heading.partition(" ")[0]
    _, found, after = markdown.partition(f"\n{heading}\n")
    assert found, f"no heading {heading!r}"
    return re.split(rf"\n#{{1,{len(level)}}} ", after, maxsplit=1)[0]


def prose(markdown: str) -> str:
    """A document without its code, be it blocks or words."""
    text = re.sub(r"(?ms)^```.*?^```$", "", markdown)
    text = re.sub(r"(?m)^ {4,}\S.*$", "", text)
    return re.sub(r"`[^`]*`", "", text)


def links(markdown: str) -> list[str]:
    """The targets of a document's links."""
    return re.findall(r"\[[^\]]*\]\(([^)\s]+)\)", prose(markdown))


def anchors(markdown: str) -> set[str]:
    """The names that a document's headings have as targets of links, by GitHub's rule."""
    found: set[str] = set()
    for heading in re.findall(r"(?m)^#+ (.+)$", re.sub(r"(?ms)^```.*?^```$", "", markdown)):
        plain = re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
        number = 0
        while (name := f"{plain}-{number}" if number else plain) in found:
            number += 1
        found.add(name)
    return found


def command_lines() -> list[list[str]]:
    """The words after `borgpull` (or its alias) in each command line of all documents."""
    found = []
    for page in PAGES:
        typed = [block.text for block in blocks(page.read_text()) if block.kind == "sh"]
        lines = "\n".join(typed).replace("\\\n", " ").replace(" && ", "\n").splitlines()
        for line in lines:
            try:
                words = shlex.split(line)
            except ValueError:  # a picture or a table, or the authorized_keys line's quotes
                continue
            starts = [
                at for at, word in enumerate(words) if re.fullmatch(r"(.*/)?borgpull|bp", word)
            ]
            # by docker, by the alias, from cron (which begins with a time), on the host
            if starts and re.fullmatch(r"docker|bp|[0-9]+|.*/borgpull", words[0]):
                rest = words[starts[0] + 1 :]
                found.append(rest[: rest.index(">")] if ">" in rest else rest)
    return found
