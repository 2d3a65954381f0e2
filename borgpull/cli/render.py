"""`borgpull render`: texts made from the code, so that they cannot disagree with it."""

from __future__ import annotations

import typer

from borgpull.errors import all_errors
from borgpull.sidecar import seccomp

app = typer.Typer(no_args_is_help=True, help="Print a file made from the code.")


@app.command("seccomp")
def render_seccomp() -> None:
    """The seccomp profile of the lowest rung, for docker run --security-opt seccomp=FILE."""
    typer.echo(seccomp.render())


@app.command("exit-codes")
def render_exit_codes() -> None:
    """The table of exit codes, in Markdown."""
    typer.echo(exit_codes())


def exit_codes() -> str:
    rows = ["| code | what happened |", "| --- | --- |", "| 0 | everything asked for was done |"]
    rows += ["| 1 | internal error (a bug: please report it), or a check of doctor failed |"]
    rows += [f"| {cls.exit_code} | {cls.summary} |" for cls in all_errors()]
    return "\n".join(rows)
