"""The commands of the app itself, so that a new one is in the tests by itself."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from typer.main import get_command

from borgpull.cli.app import app


def commands(
    command: Any = None, name: str = "", *, hidden: bool = False
) -> Iterator[tuple[str, Any]]:
    """Each command that `borgpull --help` shows (and the hidden ones), subcommands by two words."""
    command = command or get_command(app)
    below = getattr(command, "commands", None)
    if below is None:
        yield name, command
        return
    for word, child in below.items():
        if hidden or not child.hidden:
            yield from commands(child, f"{name} {word}".strip(), hidden=hidden)
