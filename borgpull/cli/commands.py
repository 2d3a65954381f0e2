"""The commands on clients and their repositories."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

import typer

from borgpull.cli import options as opt
from borgpull.cli.context import Launch, exclude_lines, perform, places
from borgpull.model import (
    JobSpec,
    Target,
    archive_name,
    client_name,
    client_path,
    default_client_name,
)

Client = Annotated[str, typer.Argument(metavar="CLIENT", help="The client's name.")]


def sshfs(
    address: opt.Address,
    paths: Annotated[
        list[str] | None, typer.Argument(metavar="[PATH]...", help="Absolute paths [default: /].")
    ] = None,
    name: opt.Name = None,
    init: opt.Init = False,
    repo: opt.Repo = None,
    state: opt.State = None,
    archive: opt.ArchiveName = None,
    exclude: opt.Exclude = None,
    exclude_from: opt.ExcludeFrom = None,
    allow_unreadable: opt.AllowUnreadable = None,
    compression: opt.Compression = "lz4",
    encryption: opt.Encryption = "repokey-blake2",
    passphrase_file: opt.PassphraseFile = None,
    ssh_key: opt.SshKey = None,
    known_hosts: opt.KnownHosts = None,
    launcher: opt.Launcher = None,
    image: opt.Image = "borgpull",
    network: opt.Network = None,
    rung: opt.Rung = opt.RungName.userns,
    lock_wait: opt.LockWait = 300,
    dry_run: opt.DryRun = False,
    json_lines: opt.Json = False,
    verbose: opt.Verbose = False,
) -> None:
    """Back a client up over sshfs: nothing is needed there but SFTP, nothing is written there."""

    def job() -> JobSpec:
        target = Target.parse(address)
        return JobSpec(
            verb="sshfs",
            client=client_name(name) if name else default_client_name(target),
            target=target,
            paths=tuple(client_path(path) for path in paths or ["/"]),
            places=places(
                repo,
                state,
                passphrase_file=passphrase_file,
                ssh_key=ssh_key,
                known_hosts=known_hosts,
            ),
            archive=archive_name(archive) if archive is not None else None,
            init=init,
            encryption=encryption,
            compression=compression,
            exclude=(*(exclude or ()), *exclude_lines(exclude_from or ())),
            allow_unreadable=tuple(client_path(path) for path in allow_unreadable or ()),
            dry_run=dry_run,
            lock_wait=lock_wait,
        )

    perform(
        job,
        Launch(
            launcher=launcher,
            image=image,
            network=network,
            rung=rung,
            json_lines=json_lines,
            verbose=verbose,
        ),
    )


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
