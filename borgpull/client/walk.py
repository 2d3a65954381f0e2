"""The script by which a client walks its own tree: `jail/clientwalk.py` reads what comes."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Sequence

from borgpull.client import shell


def script(paths: Sequence[str], prune: Sequence[str]) -> bytes:
    """For `sh -s`: walks `paths`, but not what is at or below `prune`."""
    return os.fsencode(words(paths, prune) + shell.script("walk.sh"))


def words(paths: Sequence[str], prune: Sequence[str]) -> str:
    """A line for a shell: "$@" is then what tells find to walk `paths`, but not `prune`."""
    found = list(paths)
    if prune:
        names = [word for path in prune for word in ("-o", "-path", glob_escape(path))]
        found += ["(", *names[1:], ")", "-prune", "-o"]
    return f"set -- {shlex.join(found)}\n"


def glob_escape(path: str) -> str:
    """For find's -path, which reads its argument as a glob."""
    return re.sub(r"([*?\[\\])", r"\\\1", path)
