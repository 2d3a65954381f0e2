"""`borgpull browse`: look around in an archive and pick what to restore."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from dataclasses import replace
from typing import Annotated, Any

import typer

from borgpull.borg.tree import Entry
from borgpull.cli import options as opt
from borgpull.cli.commands import Client
from borgpull.cli.context import Launch, Way, in_sidecar, perform, places, run
from borgpull.cli.marks import restore_line
from borgpull.cli.screen import Screen
from borgpull.errors import ArchiveMissing, NotInArchive
from borgpull.events import Event
from borgpull.model import JobSpec, Result, client_name, client_path

# Where things are, as `restore` needs to know it too.
SHARED = ("repo", "state", "passphrase_file", "launcher", "image")


def browse(
    context: typer.Context,
    client: Client,
    archive: Annotated[
        str | None, typer.Argument(help="Its name, or `latest` [default: choose; else latest].")
    ] = None,
    path: opt.Path = "/",
    repo: opt.Repo = None,
    state: opt.State = None,
    passphrase_file: opt.PassphraseFile = None,
    launcher: opt.Launcher = None,
    image: opt.Image = "borgpull",
    lock_wait: opt.LockWait = 300,
    json_lines: opt.Json = False,
    verbose: opt.Verbose = False,
) -> None:
    """Look around in an archive and pick what to restore; without a terminal, list a folder."""
    shown = not json_lines and on_terminal()

    def job() -> JobSpec:
        folder = client_path(path)
        return JobSpec(
            verb="browse",
            client=client_name(client),
            archive=archive,
            paths=() if shown else (folder,),
            places=places(repo, state, passphrase_file=passphrase_file),
            lock_wait=lock_wait,
        )

    perform(
        job,
        Launch(launcher=launcher, image=image, json_lines=json_lines, verbose=verbose),
        picking(path, given(context)) if shown else None,
    )


def on_terminal() -> bool:
    """The app is drawn on standard error."""
    dumb = os.environ.get("TERM") == "dumb"
    return not dumb and all(stream.isatty() for stream in (sys.stdin, sys.stdout, sys.stderr))


def given(context: typer.Context) -> list[str]:
    """Those of the shared options that are on our command line, to be repeated on another."""
    found = []
    for parameter in context.command.params:
        name = parameter.name or ""
        source = context.get_parameter_source(name)
        if name in SHARED and source is not None and source.name == "COMMANDLINE":
            found += [parameter.opts[0], str(context.params[name])]
    return found


def picking(path: str, options: list[str]) -> Way:
    """Choose an archive if none is named, mark paths in it, and tell how they are restored."""

    def way(job: JobSpec, launch: Launch, screen: Screen) -> Result:
        # Late: no other command is to wait for these modules.
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


def _archives(job: JobSpec, launch: Launch, screen: Screen) -> list[dict[str, Any]]:
    """The verified ones first, the newest of them first. Raises ArchiveMissing."""
    result = run(replace(job, verb="list"), launch, screen)
    found = newest_first(result.data["archives"])
    if not found:
        raise ArchiveMissing(f"{job.client} has no archive yet")
    return found


def newest_first(archives: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """From the order of `list`, which is the oldest first."""
    return sorted(archives, key=lambda item: bool(item["verified"]))[::-1]


def _read(job: JobSpec, launch: Launch, screen: Screen) -> tuple[str, Entry]:
    """The archive's name, and all that is in it."""
    root = Entry()

    def emit(event: Event) -> None:
        if event.kind == "item":
            root.add(event.data)
        else:
            screen(event)

    result = run(job, launch, emit)
    return str(result.data["archive"]), root
