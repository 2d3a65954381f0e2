"""`borgpull authorize`: the line for a client's authorized_keys."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from borgpull.cli import options as opt
from borgpull.cli.context import in_sidecar, places
from borgpull.cli.screen import Screen
from borgpull.client import authorized
from borgpull.errors import BorgpullError, ConfigError, UsageError
from borgpull.methods.clientmounts import FALLBACK
from borgpull.model import Places, client_name, client_path, for_borg
from borgpull.process import CommandError, run


class Method(StrEnum):
    sshfs = "sshfs"
    pipe = "pipe"
    socat = "socat"
    agent = "agent"
    forward = "forward"


def authorize(
    client: Annotated[str, typer.Argument(metavar="CLIENT", help="The client's name.")],
    paths: Annotated[
        list[str] | None, typer.Argument(metavar="[PATH]...", help="What the key may save.")
    ] = None,
    method: Annotated[Method, typer.Option("--method", help="The key is for this.")] = Method.pipe,
    client_borg: Annotated[
        str | None,
        typer.Option("--client-borg", help="Limit a key for pipe to this borg of the client."),
    ] = None,
    exclude: opt.Exclude = None,
    repo: opt.Repo = None,
    ssh_key: opt.SshKey = None,
) -> None:
    """Print the authorized_keys line that lets our key do just this on the client."""
    try:
        name = client_name(client)
        place = places(repo, None, ssh_key=ssh_key)
        command = None
        if client_borg is not None:
            if method is not Method.pipe:
                raise UsageError("--client-borg limits keys for pipe only")
            command = authorized.forced_command(
                name,
                f"{place.repo}/{name}" if in_sidecar() else f"{Places().repo}/{name}",
                client_path(client_borg),
                [for_borg(client_path(path)) for path in paths or ["/"]],
                [for_borg(word) for word in exclude or [f"pp:{path}" for path in FALLBACK]],
            )
        typer.echo(authorized.line(method.value, public_key(place.ssh_key), command))
    except BorgpullError as error:
        Screen(json_lines=False, verbose=False).error(error, "authorize", client)
        raise typer.Exit(error.exit_code) from None


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
