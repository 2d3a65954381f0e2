"""What all forms of `render` ask for, and where the files go."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar

import typer

from borgpull.cli.groups import Group
from borgpull.cli.options import option
from borgpull.errors import ConfigError

Name = Annotated[
    str, typer.Option("--name", help="Of the unit, the service, the CronJob.", show_default=False)
]
Output = Annotated[
    Path | None,
    typer.Option("--output", metavar="FOLDER", help="Write the files there; else print them."),
]
# What each file says that is for one folder alone; but a seccomp profile has no room for it.
OURS, SILENT = b"borgpull", "-seccomp.json"


@dataclass(frozen=True, kw_only=True)
class Certificates(Group):
    """Of keys on the machine that runs a job. Nothing there can be looked at now."""

    title: ClassVar[str] = "The way to the client"

    ssh_certificate: Annotated[
        str | None, option("--ssh-certificate", text="Certificate of the key of --ssh-key.")
    ] = None
    via_certificate: Annotated[
        str | None, option("--via-certificate", text="Certificate of the key of --via-key.")
    ] = None

    def by_secret(self) -> dict[str, str]:
        """Those that were named, by the secret that each belongs to."""
        named = {"ssh_key": self.ssh_certificate, "via_key": self.via_certificate}
        return {what: text for what, text in named.items() if text}


@dataclass(frozen=True, kw_only=True)
class Timing(Group):
    title: ClassVar[str] = "What runs when"

    schedule: Annotated[
        str, option("--schedule", text="A line of cron, or @hourly, @daily, @weekly.")
    ] = "@daily"
    timezone: Annotated[str, option("--timezone", text="Of the schedule, say Europe/Berlin.")] = (
        "UTC"
    )
    window: Annotated[
        str | None,
        option("--window", text="Of @daily and @weekly, say 01:00-05:00.", show_default="the day"),
    ] = None


def put(files: Mapping[str, str], folder: Path | None) -> None:
    """Print the files one after another, or write them into a folder: in UTF-8, on any machine.

    Raises ConfigError, before anything is written if a file there is of somebody else.
    """
    if folder is None:
        for name, text in files.items():
            found = text if len(files) == 1 else f"# {name}\n{text}"
            typer.echo(found.encode(), nl=False)
        return
    for name in files:
        _require_ours(folder, name)
    for name, text in files.items():
        path = folder / name
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        except OSError as error:
            raise ConfigError(f"cannot write {path}: {error.strerror}") from None
        typer.echo(str(path))


def _require_ours(folder: Path, name: str) -> None:
    """A `--name` such as `docker` or `compose` may be that of a file of the user's own.

    Files in folders are those of `render kube`, which a user may have changed.
    """
    if "/" in name or name.endswith(SILENT):
        return
    try:
        there = (folder / name).read_bytes()
    except OSError:  # there is none, or writing tells what is wrong
        return
    if there and OURS not in there:
        raise ConfigError(
            f"{folder / name} is there, and no command of borgpull has made it",
            hint="take another --name, or remove that file first",
        )
