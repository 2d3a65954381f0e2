"""`borgpull version`: what is here."""

from __future__ import annotations

import json
import platform
from concurrent.futures import ThreadPoolExecutor
from typing import Annotated

import typer

from borgpull import __version__
from borgpull.process import CommandError, run

PROGRAMS = {
    "borg": ["borg", "--version"],
    "sshfs": ["sshfs", "--version"],
    "ssh": ["ssh", "-V"],
}


def version(
    json_lines: Annotated[bool, typer.Option("--json", help="As one JSON object.")] = False,
) -> None:
    """The versions of borgpull and of what it stands on, as far as it is here."""
    found = {"borgpull": __version__, "python": platform.python_version()}
    with ThreadPoolExecutor() as pool:  # each takes a while to start
        found |= zip(PROGRAMS, pool.map(_first_line, PROGRAMS.values()), strict=True)
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
