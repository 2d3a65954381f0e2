"""`borgpull version`: what is here."""

from __future__ import annotations

import json
import platform
from typing import Annotated

import typer

from borgpull import __version__
from borgpull.process import CommandError, run


def version(
    json_lines: Annotated[bool, typer.Option("--json", help="As one JSON object.")] = False,
) -> None:
    """The versions of borgpull and of what it stands on, as far as it is here."""
    found = {"borgpull": __version__, "python": platform.python_version()}
    for name, argv in (("borg", ["borg", "--version"]), ("sshfs", ["sshfs", "--version"])):
        found[name] = _first_line(argv)
    found["ssh"] = _first_line(["ssh", "-V"])
    lines = [f"{name:<9} {text}" for name, text in found.items()]
    typer.echo(json.dumps(found) if json_lines else "\n".join(lines))


def _first_line(argv: list[str]) -> str:
    try:
        done = run(argv, timeout=20, check=False)
    except CommandError:
        return "not here"
    lines = (done.stdout.decode(errors="replace") + done.stderr).strip().splitlines()
    # sshfs names fusermount3 first.
    own = [line for line in lines if argv[0] in line.lower()]
    return (own or lines or ["unknown"])[0]
