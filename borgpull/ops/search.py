"""Looking into archives: a file in all of them, and what differs between two."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

from borgpull import jobs
from borgpull.borg import repository
from borgpull.borg.command import Borg, literal, location
from borgpull.events import Emit, Event
from borgpull.ops import standing
from borgpull.ops.workspace import looking_borg
from borgpull.outputs.archives import Diffed, Found
from borgpull.results import Result


def find(job: jobs.Find, emit: Emit) -> Result:
    """Items whose path matches a pattern, in every archive that counts, the oldest first.

    Raises RepositoryMissing and borg's errors.
    """
    matches = matcher(job.pattern)
    count = 0
    with looking_borg(job) as borg:
        rows = standing.counting(standing.judge(job, repository.archives(borg)).rows)
        for row in rows:
            standing.tell(row, emit)
            name = str(row["name"])
            for item in repository.items(borg, name):
                if matches(item["path"]):
                    count += 1
                    emit(Event("item", {"archive": name, **item}))
    data: Found = {"found": count, "archives": len(rows)}
    return Result(verb=job.verb, client=job.client, data=data)


def matcher(pattern: str) -> Callable[[str], bool]:
    """Does a path of an archive match? A path that equals the pattern always does, even with
    brackets in it. So a path that one listing printed is found in other archives."""
    matches = re.compile(translate(pattern)).fullmatch
    return lambda path: path == pattern.strip("/") or matches(path) is not None


def translate(pattern: str) -> str:
    """A shell's pattern as a regular expression for paths of an archive.

    `*` and `?` stop at a slash, `**/` stands for any number of folders. Without a slash the
    pattern is for the last part of the path, wherever that is.
    """
    text = pattern.strip("/")
    text = text if "/" in pattern.rstrip("/") else f"**/{text}"
    parts = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    return "(?s:" + "".join(_words(text, parts)) + ")"


def _words(text: str, parts: dict[str, str]) -> Iterator[str]:
    for word in re.findall(r"\*\*/|\*\*|\*|\?|\[!?\]?[^\]/]*\]|.", text, re.DOTALL):
        if len(word) > 2 and word[0] == "[":
            inner = re.sub(r"([\\\[&~|])", r"\\\1", word[1:-1])
            yield "[" + (f"^{inner[1:]}" if inner[0] == "!" else inner) + "]"
        else:
            yield parts.get(word, re.escape(word))


def diff(job: jobs.Diff, emit: Emit) -> Result:
    """What differs between two archives, by stock `borg diff`.

    Raises RepositoryMissing, ArchiveMissing and borg's errors.
    """
    count = 0
    with looking_borg(job) as borg:
        judged = standing.judge(job, repository.archives(borg))
        rows = judged.chosen(job.first), judged.chosen(job.second)
        for row in rows:
            standing.tell(row, emit)
        first, second = (str(row["name"]) for row in rows)
        for item in _differences(borg, first, second):
            count += 1
            emit(Event("item", item))
    data: Diffed = {"archives": [first, second], "differences": count}
    return Result(verb=job.verb, client=job.client, data=data)


def _differences(borg: Borg, first: str, second: str) -> Iterator[dict[str, Any]]:
    """The differences as borg prints them, but times get their offset."""
    words = ("--bypass-lock", "--sort", "--", location(first), literal(second))
    for item in borg.json_lines("diff", *words):
        for change in item["changes"]:
            for key in change:
                if key.endswith("time"):
                    change[key] = repository.with_offset(change[key])
        yield item
