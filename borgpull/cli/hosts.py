"""The commands on hosts: trust a client's key, and look for what is missing."""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import Annotated

import typer

from borgpull.addresses import Target
from borgpull.cli.arguments import Address
from borgpull.cli.context import perform, run
from borgpull.cli.groups import Only
from borgpull.cli.options import SHOWN, Launch, Through, Where
from borgpull.cli.places import places, route, ssh_words
from borgpull.cli.screen import Screen
from borgpull.cli.text import safe
from borgpull.cli.userconfig import resolve
from borgpull.errors import UnknownHostKey, UsageError
from borgpull.jobs import Doctor, Trust
from borgpull.names import client_name, default_client_name
from borgpull.places import Places


def trust(
    address: Address,
    fingerprint: Annotated[
        str | None, typer.Option(help="Pin the key with this fingerprint (SHA256:...).")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Pin what is offered, unseen.")] = False,
    replace_old: Annotated[
        bool, typer.Option("--replace", help="Replace a key that was pinned before.")
    ] = False,
    name: Annotated[
        str | None,
        typer.Option("--name", help="With --replace: this client's name stands for it, too."),
    ] = None,
    *,
    through: Through,
    where: Annotated[Where, Only("state", "ssh_key", "known_hosts")],
    launch: Annotated[Launch, Only("launcher", "image", "network", *SHOWN)],
) -> None:
    def job() -> Trust:
        way = resolve(address, through.via)
        target = way.target
        if name is not None and not replace_old:
            raise UsageError("--name goes with --replace")
        spec = Trust(
            client=default_client_name(Target.parse(address)),
            route=route(way, through),
            # The configuration's key is for the client, and a scan does not log in there.
            places=_to_scan(
                places(where, through, way._replace(key=None)), logs_in=way.via is not None
            ),
            fingerprint=fingerprint,
            replace=replace_old,
            name=client_name(name) if name else "",
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


def _to_scan(found: Places, *, logs_in: bool) -> Places:
    """The places without a passphrase. Keys are needed only to log in at a jump host."""
    if logs_in:
        return replace(found, passphrase="")
    return replace(found, ssh_key="", known_hosts="", passphrase="", via_key="")


def _offered(spec: Trust, launch: Launch) -> list[str]:
    """The fingerprints that the client offers, the strongest kind of key first."""
    with Screen(json_lines=False, verbose=False) as quiet:
        found = run(spec, launch, quiet).data["offered"]
    return sorted(found, key=lambda text: "ED25519" not in text)


def _confirmed(target: Target, offered: list[str]) -> bool:
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        return False
    for text in offered:
        typer.echo(f"{target} offers {safe(text)}", err=True)
    try:
        return typer.confirm("Have you compared it on the client, and is it the same?", err=True)
    except typer.Abort:  # the end of the input
        return False


def doctor(
    address: Annotated[
        str | None, typer.Argument(metavar="[[USER@]HOST[:PORT]]", help="Look at this client too.")
    ] = None,
    *,
    through: Through,
    where: Annotated[Where, Only("repo", "state", "ssh_key", "known_hosts")],
    launch: Annotated[Launch, Only("launcher", "image", "network", "rung", *SHOWN)],
) -> None:
    def job() -> Doctor:
        way = resolve(address, through.via) if address else None
        ssh_words(through)  # wrong ones are told where they are of no use, too
        return Doctor(
            client=default_client_name(Target.parse(address)) if address else "",
            route=route(way, through) if way else None,
            places=places(where, through, way),
        )

    perform(job, launch)
