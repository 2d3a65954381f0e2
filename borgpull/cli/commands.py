"""The commands on clients and their repositories."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

import typer

from borgpull.cli import options as opt
from borgpull.cli.context import Launch, perform, places
from borgpull.model import JobSpec, client_name

Client = Annotated[str, typer.Argument(metavar="CLIENT", help="The client's name.")]


def init(
    client: Client,
    repo: opt.Repo = None,
    state: opt.State = None,
    encryption: opt.Encryption = "repokey-blake2",
    passphrase_file: opt.PassphraseFile = None,
    launcher: opt.Launcher = None,
    image: opt.Image = "borgpull",
    lock_wait: opt.LockWait = 300,
    json_lines: opt.Json = False,
    verbose: opt.Verbose = False,
) -> None:
    """Make a client's repository, and be reminded to keep a copy of its key."""
    perform(
        lambda: JobSpec(
            verb="init",
            client=client_name(client),
            places=places(repo, state, passphrase_file=passphrase_file),
            encryption=encryption,
            lock_wait=lock_wait,
        ),
        Launch(launcher=launcher, image=image, json_lines=json_lines, verbose=verbose),
    )


def list_archives(
    client: Client,
    archive: Annotated[
        str | None, typer.Argument(help="Show what is in it; `latest` is the newest verified.")
    ] = None,
    repo: opt.Repo = None,
    state: opt.State = None,
    passphrase_file: opt.PassphraseFile = None,
    launcher: opt.Launcher = None,
    image: opt.Image = "borgpull",
    json_lines: opt.Json = False,
    verbose: opt.Verbose = False,
) -> None:
    """List a client's archives, or what is in one."""
    perform(
        lambda: JobSpec(
            verb="list",
            client=client_name(client),
            archive=archive,
            places=places(repo, state, passphrase_file=passphrase_file),
        ),
        Launch(launcher=launcher, image=image, json_lines=json_lines, verbose=verbose),
    )


def info(
    client: Client,
    repo: opt.Repo = None,
    state: opt.State = None,
    passphrase_file: opt.PassphraseFile = None,
    launcher: opt.Launcher = None,
    image: opt.Image = "borgpull",
    json_lines: opt.Json = False,
    verbose: opt.Verbose = False,
) -> None:
    """Show a client's repository: sizes, encryption, the newest verified archive."""
    perform(
        lambda: JobSpec(
            verb="info",
            client=client_name(client),
            places=places(repo, state, passphrase_file=passphrase_file),
        ),
        Launch(launcher=launcher, image=image, json_lines=json_lines, verbose=verbose),
    )


def borg(
    client: Client,
    args: Annotated[list[str], typer.Argument(metavar="-- ARGS", help="Arguments for borg.")],
    repo: opt.Repo = None,
    state: opt.State = None,
    passphrase_file: opt.PassphraseFile = None,
    launcher: opt.Launcher = None,
    image: opt.Image = "borgpull",
    lock_wait: opt.LockWait = 300,
    verbose: opt.Verbose = False,
) -> None:
    """Run stock borg on a client's repository (`::ARCHIVE` names an archive in it)."""
    perform(
        lambda: JobSpec(
            verb="borg",
            client=client_name(client),
            borg_args=tuple(args),
            places=places(repo, state, passphrase_file=passphrase_file),
            lock_wait=lock_wait,
        ),
        Launch(launcher=launcher, image=image, verbose=verbose),
    )


def acknowledge(
    client: Client,
    repo: opt.Repo = None,
    state: opt.State = None,
    passphrase_file: opt.PassphraseFile = None,
    launcher: opt.Launcher = None,
    image: opt.Image = "borgpull",
    lock_wait: opt.LockWait = 300,
    json_lines: opt.Json = False,
    verbose: opt.Verbose = False,
) -> None:
    """Accept that archives have vanished: backups end with 0 again, and `borg` may compact."""
    perform(
        lambda: JobSpec(
            verb="acknowledge",
            client=client_name(client),
            places=places(repo, state, passphrase_file=passphrase_file),
            lock_wait=lock_wait,
        ),
        Launch(launcher=launcher, image=image, json_lines=json_lines, verbose=verbose),
    )


def tidy(
    client: Annotated[
        str | None, typer.Argument(metavar="[CLIENT]", help="Only this one [default: all].")
    ] = None,
    repo: opt.Repo = None,
    state: opt.State = None,
    launcher: opt.Launcher = None,
    image: opt.Image = "borgpull",
    json_lines: opt.Json = False,
    verbose: opt.Verbose = False,
) -> None:
    """Free what killed runs left locked. The next backup of a client does it by itself."""
    perform(
        lambda: JobSpec(
            verb="tidy",
            client=client_name(client) if client else "",
            places=replace(places(repo, state), ssh_key="", known_hosts=""),
        ),
        Launch(launcher=launcher, image=image, json_lines=json_lines, verbose=verbose),
    )
