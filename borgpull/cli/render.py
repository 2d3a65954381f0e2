"""`borgpull render`: texts made from the code, so that they cannot disagree with it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from borgpull.cli.arguments import Client
from borgpull.cli.drilling import Drilling
from borgpull.cli.groups import Only, flat
from borgpull.cli.options import Launch, Through, Where
from borgpull.cli.render_kube import render_kube
from borgpull.cli.rendered import Certificates, Name, Output, Timing, put
from borgpull.errors import rows
from borgpull.names import client_name

app = typer.Typer(name="render", add_completion=False, help="Print a file made from the code.")


@app.command("seccomp")
def render_seccomp() -> None:
    """The seccomp profile of the lowest rung, for docker run --security-opt seccomp=FILE."""
    from borgpull.launchers import seccomp

    typer.echo(seccomp.render())


@app.command("exit-codes")
def render_exit_codes() -> None:
    """The table of exit codes, in Markdown."""
    typer.echo(exit_codes())


def render_socket(
    client: Client,
    borg: Annotated[
        str | None, typer.Option("--borg", help="Use this borg of the host, not a container.")
    ] = None,
    *,
    where: Annotated[Where, Only("repo")],
    launch: Annotated[Launch, Only("image")],
) -> None:
    """Units that serve a client's repository at a socket, one `borg serve` a connection."""
    from borgpull.renderers import socket

    folder = str(Path(where.repo or "/var/lib/borgpull/repo").absolute())
    typer.echo(socket.render(client_name(client), folder, launch.image, borg))


def timed(form: str) -> Callable[..., None]:
    """The command that renders a job in one form."""

    def command(
        words: Annotated[
            list[str],
            typer.Argument(metavar="-- COMMAND...", help="As for borgpull: pipe root@web1 /etc"),
        ],
        *,
        name: Name,
        timing: Timing,
        where: Where,
        via_key: Annotated[Through, Only("via_key")],
        certificates: Certificates,
        drilling: Annotated[Drilling, Only("scratch", "memory", "report", "check")],
        launch: Annotated[Launch, Only("image", "network", "rung")],
        output: Output = None,
    ) -> None:
        from borgpull.cli.planned import plan
        from borgpull.renderers import RENDERERS

        found = plan(name, words, timing, where, via_key, launch, certificates, drilling)
        put(RENDERERS[form](found), output)

    return command


app.command("socket")(flat(render_socket))
for form, text in (
    ("systemd", "A service and its timer, which run a command by docker."),
    ("quadlet", "A container of podman's quadlet and its timer, which run a command."),
    ("compose", "A compose file that runs a command, for cron."),
):
    app.command(form, help=text)(flat(timed(form)))
app.command("kube")(flat(render_kube))


def exit_codes() -> str:
    head = ["| code | what happened | a later try can cure it |", "| --- | --- | --- |"]
    head += ["| 0 | everything asked for was done | |"]
    known = [f"| {row.code} | {row.summary} | {'yes' if row.retry else 'no'} |" for row in rows()]
    return "\n".join(head + known)
