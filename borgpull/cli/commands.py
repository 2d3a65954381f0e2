"""The commands on clients and their repositories."""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import Annotated

import typer

from borgpull.cli import options as opt
from borgpull.cli.context import Launch, exclude_lines, perform, places, run
from borgpull.cli.screen import Screen, safe
from borgpull.errors import UnknownHostKey
from borgpull.model import JobSpec, Target, client_name, client_path, default_client_name

Address = Annotated[str, typer.Argument(metavar="[USER@]HOST[:PORT]", help="The client.")]
Client = Annotated[str, typer.Argument(metavar="CLIENT", help="The client's name.")]


def sshfs(
    address: Address,
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
            archive=archive,
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


def trust(
    address: Address,
    fingerprint: Annotated[
        str | None, typer.Option(help="Pin the key with this fingerprint (SHA256:...).")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Pin what is offered, unseen.")] = False,
    replace_old: Annotated[
        bool, typer.Option("--replace", help="Replace a key that was pinned before.")
    ] = False,
    state: opt.State = None,
    launcher: opt.Launcher = None,
    image: opt.Image = "borgpull",
    network: opt.Network = None,
    json_lines: opt.Json = False,
    verbose: opt.Verbose = False,
) -> None:
    """Show a client's host key, and pin it once you have compared it."""
    launch = Launch(
        launcher=launcher, image=image, network=network, json_lines=json_lines, verbose=verbose
    )

    def job() -> JobSpec:
        target = Target.parse(address)
        spec = JobSpec(
            verb="trust",
            client=default_client_name(target),
            target=target,
            # Nobody logs in here: neither key nor passphrase goes along.
            places=replace(places(None, state), ssh_key="", known_hosts="", passphrase=""),
            fingerprint=fingerprint,
            replace=replace_old,
        )
        if fingerprint is not None:
            return spec
        offered = _offered(spec, launch)
        if not (yes or _confirmed(target, offered)):
            raise UnknownHostKey(
                f"{target} offers {', '.join(offered)}",
                hint=f"compare on the client (ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub), "
                f"then: borgpull trust {target} --fingerprint {offered[0].split()[0]}",
            )
        return replace(spec, fingerprint=",".join(print_.split()[0] for print_ in offered))

    perform(job, launch)


def _offered(spec: JobSpec, launch: Launch) -> list[str]:
    """The fingerprints that the client offers, the strongest kind of key first."""
    with Screen(json_lines=False, verbose=False) as quiet:
        found = run(spec, launch, quiet).data["offered"]
    return sorted(found, key=lambda text: "ED25519" not in text)


def _confirmed(target: Target, offered: list[str]) -> bool:
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        return False
    for text in offered:
        typer.echo(f"{target} offers {safe(text)}", err=True)
    return typer.confirm("Have you compared it on the client, and is it the same?", err=True)


def doctor(
    address: Annotated[
        str | None, typer.Argument(metavar="[[USER@]HOST[:PORT]]", help="Look at this client too.")
    ] = None,
    repo: opt.Repo = None,
    state: opt.State = None,
    ssh_key: opt.SshKey = None,
    known_hosts: opt.KnownHosts = None,
    launcher: opt.Launcher = None,
    image: opt.Image = "borgpull",
    network: opt.Network = None,
    rung: opt.Rung = opt.RungName.userns,
    json_lines: opt.Json = False,
    verbose: opt.Verbose = False,
) -> None:
    """Say what this host allows, what is missing, and what the client offers."""

    def job() -> JobSpec:
        target = Target.parse(address) if address else None
        return JobSpec(
            verb="doctor",
            client=default_client_name(target) if target else "",
            target=target,
            places=places(repo, state, ssh_key=ssh_key, known_hosts=known_hosts),
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
