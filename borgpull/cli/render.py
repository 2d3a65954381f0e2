"""`borgpull render`: texts made from the code, so that they cannot disagree with it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from borgpull.cli.arguments import Client
from borgpull.cli.groups import Only, flat
from borgpull.cli.options import Launch, Where
from borgpull.errors import BorgpullError, UsageError, all_errors
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


def render_systemd(
    client: Client,
    borg: Annotated[
        str | None, typer.Option("--borg", help="Use this borg of the host, not a container.")
    ] = None,
    *,
    where: Annotated[Where, Only("repo")],
    launch: Annotated[Launch, Only("image")],
) -> None:
    """Units that serve a client's repository at a socket, one `borg serve` a connection."""
    folder = str(Path(where.repo or "/var/lib/borgpull/repo").absolute())
    for word in (folder, launch.image, borg or ""):
        if not word.isprintable():
            raise UsageError(f"not for a line of a unit: {word!r}", hint="use text in UTF-8")
    typer.echo(systemd(client_name(client), folder, launch.image, borg))


app.command("systemd")(flat(render_systemd))


def systemd(client: str, folder: str, image: str, borg: str | None) -> str:
    """The socket and its service (systemd.socket(5)), as borg's documentation suggests them.

    MaxConnections is not 1: systemd would drop a client that connects while the last container
    ends. borg's own lock lets only one client write at a time.
    """
    words = ["serve", "--append-only", "--restrict-to-repository"]
    if borg is None:
        words = [
            *("/usr/bin/docker", "run", "--rm", "-i", "--network", "none", "--cap-drop", "ALL"),
            *("--cap-add", "DAC_OVERRIDE", "--cap-add", "CHOWN", "--cap-add", "FOWNER"),
            *("--security-opt", "no-new-privileges", "--read-only", "--tmpfs", "/tmp"),  # noqa: S108 - in the container
            *("-v", f"{folder}:/repo", "--entrypoint", "borg", image, *words, f"/repo/{client}"),
        ]
    else:
        words = [borg, *words, f"{folder}/{client}"]
    start = " ".join(f'"{word}"' if " " in word else word.replace("%", "%%") for word in words)
    return f"""\
# /etc/systemd/system/borgpull-{client}.socket
[Unit]
Description=borg repository of {client}

[Socket]
ListenStream=/run/borgpull/{client}.sock
SocketMode=0600
DirectoryMode=0700
Accept=yes
MaxConnections=8
RemoveOnStop=yes

[Install]
WantedBy=sockets.target

# /etc/systemd/system/borgpull-{client}@.service
[Unit]
Description=borg serve for {client}

[Service]
Type=simple
ExecStart={start}
StandardInput=socket
StandardOutput=socket
StandardError=journal
TimeoutStopSec=60"""


def exit_codes() -> str:
    rows = ["| code | what happened |", "| --- | --- |", "| 0 | everything asked for was done |"]
    rows += [f"| 1 | {BorgpullError.summary} |"]
    rows += [f"| {cls.exit_code} | {cls.summary} |" for cls in all_errors()]
    return "\n".join(rows)
