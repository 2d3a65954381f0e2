"""Looking into archives: a file in all of them, and what differs between two."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from borgpull.borg import repository
from borgpull.borg.command import Borg
from borgpull.events import Emit, Event
from borgpull.model import JobSpec, Result
from borgpull.ops.restore import archive_of
from borgpull.ops.workspace import open_borg


def find(job: JobSpec, emit: Emit) -> Result:
    """Items whose path matches a pattern, in every verified archive, the oldest first.

    Raises RepositoryMissing and borg's errors.
    """
    borg = open_borg(job)
    repository.require(borg.repository, job.client)
    pattern = re.compile(translate(job.pattern))
    names = [item["name"] for item in repository.archives(borg)]
    verified = [name for name in names if repository.is_verified(name)]
    count = 0
    for name in verified:
        for item in repository.items(borg, name):
            if pattern.fullmatch(item["path"]):
                count += 1
                emit(Event("item", {"archive": name, **item}))
    data = {"found": count, "archives": len(verified)}
    return Result(verb=job.verb, client=job.client, data=data)


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


def diff(job: JobSpec, emit: Emit) -> Result:
    """What differs between two archives, by stock `borg diff`.

    Raises RepositoryMissing, ArchiveMissing and borg's errors.
    """
    borg = open_borg(job)
    repository.require(borg.repository, job.client)
    first, second = archive_of(borg, job.archive), archive_of(borg, job.second)
    count = 0
    for item in _differences(borg, first, second):
        count += 1
        emit(Event("item", item))
    data = {"archives": [first, second], "differences": count}
    return Result(verb=job.verb, client=job.client, data=data)


def _differences(borg: Borg, first: str, second: str) -> Iterator[dict[str, Any]]:
    done = borg.run("diff", "--bypass-lock", "--json-lines", "--sort", f"::{first}", second)
    for line in done.stdout.splitlines():
        yield dict(json.loads(line))
