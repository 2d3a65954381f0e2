"""The commands that back a client up, one a method."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Annotated, cast

import typer

from borgpull.cli import options as opt
from borgpull.cli.context import Launch, exclude_lines, perform, places
from borgpull.errors import UsageError
from borgpull.model import (
    JobSpec,
    Target,
    Verb,
    archive_name,
    client_name,
    client_path,
    default_client_name,
    for_borg,
    host_and_port,
)

# What each method is, and the options it has beside the common ones.
ON_CLIENT = ("client_borg", "keep_runtime", "sudo", "via", "checkpoint_interval")
METHOD_OPTIONS = {
    "sshfs": ("rung",),
    "pipe": ON_CLIENT,
    "socat": (*ON_CLIENT, "serve_only"),
    "agent": (*ON_CLIENT, "connect_back"),
    "forward": ON_CLIENT,
}
HELP = {
    "sshfs": "Back a client up over sshfs: nothing is needed there but SFTP, nothing is written.",
    "pipe": "Back a client up by borg there, through one plain command of ssh. The fastest way.",
    "socat": "Back a client up by borg there, through a unix socket that ssh forwards.",
    "agent": "Back a client up by borg there, which connects back with a forwarded ssh-agent.",
    "forward": "Back a client up by borg there, through a TCP port that ssh forwards to us.",
}


def command(verb: str) -> Callable[..., None]:
    """The typer command of a method: `backup` with the options that make sense for it."""
    signature = inspect.signature(backup, eval_str=True)
    others = {name for names in METHOD_OPTIONS.values() for name in names}
    wanted = [
        parameter
        for name, parameter in signature.parameters.items()
        if name != "verb" and (name not in others or name in METHOD_OPTIONS[verb])
    ]

    def method(**values: object) -> None:
        backup(cast("Verb", verb), **values)  # type: ignore[arg-type]

    method.__doc__ = HELP[verb]
    method.__signature__ = signature.replace(parameters=wanted)  # type: ignore[attr-defined]
    method.__annotations__ = {item.name: item.annotation for item in wanted}
    return method


def backup(
    verb: Verb,
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
    client_borg: opt.ClientBorg = None,
    keep_runtime: opt.KeepRuntime = False,
    sudo: opt.Sudo = False,
    connect_back: opt.ConnectBack = None,
    via: opt.Via = None,
    serve_only: opt.ServeOnly = False,
    checkpoint_interval: opt.CheckpointInterval = 1800,
    launcher: opt.Launcher = None,
    image: opt.Image = "borgpull",
    network: opt.Network = None,
    rung: opt.Rung = opt.RungName.userns,
    lock_wait: opt.LockWait = 300,
    dry_run: opt.DryRun = False,
    json_lines: opt.Json = False,
    verbose: opt.Verbose = False,
) -> None:
    """One backup, by whichever method."""

    def job() -> JobSpec:
        target = Target.parse(address)
        if sudo and target.user == "root":
            raise UsageError("--sudo is for a user who is not root", hint="USER@HOST --sudo")
        if init and verb != "sshfs" and encryption.startswith("keyfile"):
            raise UsageError(
                f"borg on the client has no {encryption}: that key stays on this server",
                hint="--encryption repokey-blake2, or the sshfs method",
            )
        return JobSpec(
            verb="serve" if serve_only else verb,
            client=client_name(name) if name else default_client_name(target),
            target=target,
            paths=tuple(for_borg(client_path(path)) for path in paths or ["/"]),
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
            exclude=tuple(map(for_borg, [*(exclude or ()), *exclude_lines(exclude_from or ())])),
            allow_unreadable=tuple(client_path(path) for path in allow_unreadable or ()),
            dry_run=dry_run,
            lock_wait=lock_wait,
            client_borg=client_path(client_borg) if client_borg else None,
            keep_runtime=keep_runtime,
            sudo=sudo,
            connect_back=connect_back if connect_back and host_and_port(connect_back) else None,
            via=Target.parse(via) if via else None,
            checkpoint_interval=checkpoint_interval,
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
