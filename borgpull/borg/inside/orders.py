"""What the engine of `stream` is told on its standard input: lines of JSON."""

from __future__ import annotations

import json
from typing import Any, TextIO

from borgpull.borg.inside.channel import Ended


def beginning_of(control: TextIO) -> tuple[dict[str, str], list[str]] | None:
    """Wait for the environment and the words of this process; None if nobody wants it."""
    text = control.readline()
    if not text:
        return None
    found = json.loads(text)
    return dict(found["env"]), list(found["words"])


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
