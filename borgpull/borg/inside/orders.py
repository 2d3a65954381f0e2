"""What the engine of `stream` is told on its standard input: lines of JSON."""

from __future__ import annotations

import json
from typing import Any, NamedTuple, TextIO

from borgpull.borg.inside.channel import Ended


class Beginning(NamedTuple):
    """What a process is: the rest of its environment, its words, and where marks are for all."""

    env: dict[str, str]
    words: list[str]
    marks: str


def beginning_of(control: TextIO) -> Beginning | None:
    """Wait for it; None if nobody wants this process."""
    text = control.readline()
    if not text:
        return None
    found = json.loads(text)
    return Beginning(dict(found["env"]), list(found["words"]), str(found["marks"]))


def orders_of(control: TextIO) -> dict[str, Any] | None:
    """Wait for them; None if nobody wants anything more."""
    text = control.readline()
    return dict(json.loads(text)) if text else None


def name_of_archive(control: TextIO) -> tuple[str, bool]:
    """Wait for it, and for whether the archive is verified. Raises Ended if none comes."""
    text = control.readline()
    if not text:
        raise Ended("nobody wants the archive")
    found = json.loads(text)
    return str(found["name"]), bool(found["verified"])
