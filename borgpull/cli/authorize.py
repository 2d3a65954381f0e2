"""`borgpull authorize`: the line for a client's authorized_keys."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from borgpull import events
from borgpull.cli.arguments import Client
from borgpull.cli.groups import Only, one_of
from borgpull.cli.options import Saving, Where
from borgpull.cli.places import exclusions, places
from borgpull.cli.screen import Screen
from borgpull.client import authorized
from borgpull.client.mounts import of_client
from borgpull.errors import ConfigError, UsageError
from borgpull.names import client_name
from borgpull.paths import client_path, for_borg
from borgpull.places import Places
from borgpull.process import CommandError, run
from borgpull.sidecar import in_sidecar
from borgpull.verbs import METHODS


def authorize(
    client: Client,
    paths: Annotated[
        list[str] | None, typer.Argument(metavar="[PATH]...", help="What the key may save.")
    ] = None,
    method: Annotated[
        str, typer.Option("--method", help="The key is for this.", **one_of(METHODS))
    ] = "pipe",
    client_borg: Annotated[
        str | None,
        typer.Option("--client-borg", help="Limit a key for pipe to this borg of the client."),
    ] = None,
    *,
    saving: Annotated[Saving, Only("exclude")],
    where: Annotated[Where, Only("repo", "ssh_key")],
) -> None:
    """Print the authorized_keys line that lets our key do just this on the client."""
    name = client_name(client)
    place = places(where)
    command, left_out = None, []
    if client_borg is not None and method != "pipe":
        raise UsageError("--client-borg limits keys for pipe only")
    saved = [client_path(path) for path in paths or ["/"]]
    if paths and method == "stream":
        if saving.exclude:
            raise UsageError(
                "a key for stream is limited to paths only", hint="give --exclude to stream"
            )
        command = authorized.limited_command(saved)
    elif paths and client_borg is None:
        raise UsageError(
            "paths limit keys for stream, or for pipe with --client-borg",
            hint="leave the paths out; or add --method stream, or --client-borg",
        )
    elif client_borg is not None:
        left_out = [] if saving.exclude else list(of_client(None, saved).points())
        command = authorized.forced_command(
            name,
            f"{place.repo if in_sidecar() else Places().repo}/{name}",
            client_path(client_borg),
            [for_borg(path) for path in saved],
            exclusions(saving.exclude or [f"pp:{path}" for path in left_out]),
        )
    line = authorized.line(method, public_key(place.ssh_key), command)
    warn(line, left_out)
    typer.echo(line)


def warn(line: str, left_out: Sequence[str]) -> None:
    """Tell what nobody sees in the line. `left_out` are paths."""
    screen = Screen(json_lines=False, verbose=False)
    if left_out:
        text = f"left out by this line, and not in any run's result: {', '.join(left_out)}"
        events.warning(screen, f"{text}; --exclude chooses otherwise")
    if len(line) > authorized.MAX_LINE:
        text = f"the line has {len(line)} bytes, and an OpenSSH 7 there reads {authorized.MAX_LINE}"
        events.warning(screen, f"{text}: name fewer paths")


def public_key(private: str) -> str:
    """The public half of a private key's file. Raises ConfigError."""
    try:
        content = Path(private).read_bytes() if private else b""
        # By standard input: ssh-keygen refuses a file that others may read, as a secret's mount is.
        argv = ["ssh-keygen", "-y", "-f", "/dev/stdin"]
        return run(argv, timeout=10, stdin=content).stdout.decode().strip()
    except (OSError, CommandError):
        raise ConfigError(
            f"cannot read a private key from {private or '(none found)'}",
            hint="name it by --ssh-key; it must have no passphrase",
        ) from None
