"""The commands that bring things back, and those that find what to bring back."""

from __future__ import annotations

from typing import Annotated

import typer

from borgpull.cli import options as opt
from borgpull.cli.commands import Client
from borgpull.cli.context import Launch, perform, places
from borgpull.errors import UsageError
from borgpull.model import JobSpec, Target, client_name, client_path, restore_target

Archive = Annotated[str, typer.Argument(metavar="ARCHIVE", help="Its name, or `latest`.")]


def restore(
    client: Client,
    archive: Archive,
    to: opt.To,
    paths: Annotated[
        list[str] | None, typer.Argument(metavar="[PATH]...", help="Absolute paths [default: all].")
    ] = None,
    how: opt.How = None,
    overwrite: opt.Overwrite = opt.OverwriteName.never,
    strip: opt.Strip = 0,
    numeric_ids: opt.NumericIds = False,
    dry_run: opt.DryRun = False,
    repo: opt.Repo = None,
    state: opt.State = None,
    passphrase_file: opt.PassphraseFile = None,
    ssh_key: opt.SshKey = None,
    known_hosts: opt.KnownHosts = None,
    client_borg: opt.ClientBorg = None,
    sudo: opt.Sudo = False,
    via: opt.Via = None,
    rung: opt.Rung = opt.RungName.userns,
    launcher: opt.Launcher = None,
    image: opt.Image = "borgpull",
    network: opt.Network = None,
    lock_wait: opt.LockWait = 300,
    json_lines: opt.Json = False,
    verbose: opt.Verbose = False,
) -> None:
    """Bring an archive back, or paths of it. Nothing is overwritten unless you say so."""

    def job() -> JobSpec:
        target, folder = restore_target(to)
        way = how or (opt.HowName.native if target else opt.HowName.local)
        through = Target.parse(via) if via else None
        require_fit(way, target, client_borg=client_borg, sudo=sudo, via=through)
        return JobSpec(
            verb="restore",
            client=client_name(client),
            target=target,
            archive=archive,
            paths=tuple(client_path(path) for path in paths or ()),
            places=places(
                repo,
                state,
                passphrase_file=passphrase_file,
                ssh_key=ssh_key,
                known_hosts=known_hosts,
            ),
            how=way.value,
            into=folder,
            strip=strip,
            overwrite=overwrite.value,
            numeric_ids=numeric_ids,
            dry_run=dry_run,
            client_borg=client_path(client_borg) if client_borg else None,
            sudo=sudo,
            via=through,
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


def require_fit(
    how: opt.HowName,
    target: Target | None,
    *,
    client_borg: str | None,
    sudo: bool,
    via: Target | None,
) -> None:
    """Raises UsageError where the way, the target and the options do not go together."""
    if how is not opt.HowName.local and target is None:
        raise UsageError(f"--how {how} is for another machine", hint="--to HOST:DIR")
    if how is opt.HowName.local and target is not None:
        raise UsageError("--how local is for a folder here", hint="--to /DIR")
    shell = (opt.HowName.native, opt.HowName.tar)
    for name, given, ways in (
        ("--client-borg", client_borg, (opt.HowName.native,)),
        ("--sudo", sudo, shell),
        ("--via", via, shell),
    ):
        if given and how not in ways:
            raise UsageError(
                f"{name} does not go with --how {how}", hint=f"it is for {', '.join(ways)}"
            )


def find(
    client: Client,
    pattern: Annotated[
        str,
        typer.Argument(
            metavar="PATTERN", help="As for a shell, `**` too; without `/` for names anywhere."
        ),
    ],
    repo: opt.Repo = None,
    state: opt.State = None,
    passphrase_file: opt.PassphraseFile = None,
    launcher: opt.Launcher = None,
    image: opt.Image = "borgpull",
    json_lines: opt.Json = False,
    verbose: opt.Verbose = False,
) -> None:
    """Find files in all verified archives of a client."""
    perform(
        lambda: JobSpec(
            verb="find",
            client=client_name(client),
            pattern=pattern,
            places=places(repo, state, passphrase_file=passphrase_file),
        ),
        Launch(launcher=launcher, image=image, json_lines=json_lines, verbose=verbose),
    )


def diff(
    client: Client,
    first: Archive,
    second: Archive,
    repo: opt.Repo = None,
    state: opt.State = None,
    passphrase_file: opt.PassphraseFile = None,
    launcher: opt.Launcher = None,
    image: opt.Image = "borgpull",
    json_lines: opt.Json = False,
    verbose: opt.Verbose = False,
) -> None:
    """Show what differs between two archives of a client."""
    perform(
        lambda: JobSpec(
            verb="diff",
            client=client_name(client),
            archive=first,
            second=second,
            places=places(repo, state, passphrase_file=passphrase_file),
        ),
        Launch(launcher=launcher, image=image, json_lines=json_lines, verbose=verbose),
    )
