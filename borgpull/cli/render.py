"""`borgpull render`: texts made from the code, so that they cannot disagree with it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from borgpull.cli import options as opt
from borgpull.errors import all_errors
from borgpull.model import client_name
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


@app.command("systemd")
def render_systemd(
    client: Annotated[str, typer.Argument(metavar="CLIENT", help="The client's name.")],
    repo: opt.Repo = None,
    image: opt.Image = "borgpull",
    borg: Annotated[
        str | None, typer.Option("--borg", help="Use this borg of the host, not a container.")
    ] = None,
) -> None:
    """Units that serve a client's repository at a socket, one `borg serve` a connection."""
    folder = str(Path(repo or "/var/lib/borgpull/repo").absolute())
    typer.echo(systemd(client_name(client), folder, image, borg))


def systemd(client: str, folder: str, image: str, borg: str | None) -> str:
    """The socket and its service (systemd.socket(5)), as borg's documentation suggests them.

    MaxConnections is not 1: systemd would drop who connects while the last container goes. borg's
    own lock lets one at a time write.
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
    rows += ["| 1 | internal error (a bug: please report it), or a check of doctor failed |"]
    rows += [f"| {cls.exit_code} | {cls.summary} |" for cls in all_errors()]
    return "\n".join(rows)
