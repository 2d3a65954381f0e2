"""`borgpull browse`: look around in an archive and pick what to restore."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, Any

import typer

from borgpull.cli.arguments import Client
from borgpull.cli.context import Way, perform, run
from borgpull.cli.marks import restore_line
from borgpull.cli.options import InRepository, Launch, Plain, option
from borgpull.cli.places import places
from borgpull.cli.restoring import Restoring
from borgpull.cli.screen import Screen
from borgpull.errors import ArchiveMissing, NotInArchive
from borgpull.events import Event
from borgpull.jobs import Browse, List
from borgpull.names import client_name
from borgpull.ops.standing import counting
from borgpull.paths import archive_path
from borgpull.results import Result
from borgpull.sidecar import in_sidecar
from borgpull.trees.tree import Entry

# Where things are, as `restore` needs to know it too.
SHARED = ("repo", "state", "passphrase_file", "launcher", "image")


def browse(
    context: typer.Context,
    client: Client,
    archive: Annotated[
        str | None,
        typer.Argument(
            metavar="[ARCHIVE]", help="Its name, or `latest`.", show_default="choose; else latest"
        ),
    ] = None,
    path: Annotated[
        str,
        option(
            "--path",
            text="The folder to list, or to begin in.",
            rich_help_panel=Restoring.title,
        ),
    ] = "/",
    *,
    where: InRepository,
    launch: Plain,
) -> None:
    shown = not launch.json_lines and on_terminal()

    def job() -> Browse:
        folder = archive_path(path)
        return Browse(
            client=client_name(client),
            archive=archive,
            path=None if shown else folder,
            places=places(where),
        )

    perform(job, launch, picking(path, given(context)) if shown else None)


def on_terminal() -> bool:
    """The app is drawn on standard error."""
    dumb = os.environ.get("TERM") == "dumb"
    return not dumb and all(stream.isatty() for stream in (sys.stdin, sys.stdout, sys.stderr))


def given(context: typer.Context) -> list[str]:
    """The shared options on our command line, for the command line that restores."""
    found = []
    for parameter in context.command.params:
        name = parameter.name or ""
        source = context.get_parameter_source(name)
        if name in SHARED and source is not None and source.name == "COMMANDLINE":
            found += [parameter.opts[0], str(context.params[name])]
    return found


def picking(path: str, options: list[str]) -> Way[Browse]:
    """Choose an archive if none is named, mark paths in it, and tell how they are restored."""

    def way(job: Browse, launch: Launch, screen: Screen) -> Result:
        # Imported late: no other command should wait for these modules.
        from borgpull.cli import picker

        archives = [] if job.archive else _archives(job, launch, screen)
        while True:
            if archives:
                with screen.aside():
                    name = picker.shown(picker.Archives(job.client, archives))
                if name is None:
                    return Result(verb=job.verb, client=job.client)
                job = replace(job, archive=name)
            archive, root = _read(job, launch, screen)
            entry = root.at(path)
            if entry is None:
                raise NotInArchive(f"not in {archive}: {path}")
            heading, back = f"{job.client}: {archive}", bool(archives)
            # The engine's API is JSON, and takes what is no UTF-8 for U+FFFD.
            files = picker.Files(heading, root, entry, back=back, text_only=in_sidecar())
            with screen.aside():
                paths = picker.shown(files)
            if paths is not None:
                line = restore_line(job.client, archive, paths, options) if paths else ""
                data = {"archive": archive, "restore": line}
                return Result(verb=job.verb, client=job.client, data=data)

    return way


def _archives(job: Browse, launch: Launch, screen: Screen) -> list[dict[str, Any]]:
    """Raises ArchiveMissing."""
    result = run(List(client=job.client, places=job.places), launch, screen)
    found = newest_first(result.data["archives"])
    if not found:
        raise ArchiveMissing(f"{job.client} has no archive yet")
    return found


def newest_first(archives: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The archives that count, then the others; the newest first in both, so `latest` leads.

    `archives` are in the order of `list`, the oldest first.
    """
    first = {item["name"] for item in counting(archives)}
    return sorted(archives, key=lambda item: item["name"] in first)[::-1]


def _read(job: Browse, launch: Launch, screen: Screen) -> tuple[str, Entry]:
    """The archive's name, and all that is in it."""
    root = Entry()

    def emit(event: Event) -> None:
        if event.kind == "item":
            root.add(event.data)
        else:
            screen(event)

    result = run(job, launch, emit)
    return str(result.data["archive"]), root
