"""The commands on hosts: trust a client's key, and look for what is missing."""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import Annotated

import typer

from borgpull.cli import options as opt
from borgpull.cli.context import Launch, perform, places, run
from borgpull.cli.screen import Screen, safe
from borgpull.errors import UnknownHostKey
from borgpull.model import JobSpec, Target, default_client_name


def trust(
    address: opt.Address,
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
