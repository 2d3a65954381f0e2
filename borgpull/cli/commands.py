"""The commands on clients and their repositories."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

import typer

from borgpull.cli.arguments import Client
from borgpull.cli.context import perform
from borgpull.cli.groups import Only
from borgpull.cli.options import Fresh, InRepository, Launch, Plain, Waiting, Where
from borgpull.cli.places import places
from borgpull.jobs import Acknowledge, Init, List, Look, Stock, Tidy
from borgpull.names import client_name


def init(
    client: Client,
    fresh: Annotated[Fresh, Only("encryption")],
    where: InRepository,
    launch: Waiting,
) -> None:
    def job() -> Init:
        return Init(
            client=client_name(client),
            places=places(where),
            encryption=fresh.encryption,
            lock_wait=launch.lock_wait,
        )

    perform(job, launch)


def list_archives(
    client: Client,
    archive: Annotated[
        str | None,
        typer.Argument(
            metavar="[ARCHIVE]", help="Show what is in it; `latest` is the newest verified."
        ),
    ] = None,
    *,
    where: InRepository,
    launch: Plain,
) -> None:
    def job() -> List:
        return List(client=client_name(client), archive=archive, places=places(where))

    perform(job, launch)


def info(client: Client, where: InRepository, launch: Plain) -> None:
    def job() -> Look:
        return Look(verb="info", client=client_name(client), places=places(where))

    perform(job, launch)


def borg(
    client: Client,
    args: Annotated[list[str], typer.Argument(metavar="-- ARGS", help="Arguments for borg.")],
    where: InRepository,
    launch: Annotated[Launch, Only("launcher", "image", "lock_wait", "result_file", "verbose")],
) -> None:
    def job() -> Stock:
        return Stock(
            client=client_name(client),
            args=tuple(args),
            places=places(where),
            lock_wait=launch.lock_wait,
        )

    perform(job, launch)


def acknowledge(
    client: Client,
    adopt: Annotated[
        list[str] | None,
        typer.Option("--adopt", metavar="NAME", help="This archive is to count from now on."),
    ] = None,
    delete: Annotated[
        list[str] | None,
        typer.Option("--delete", metavar="NAME", help="Delete this one, which does not count."),
    ] = None,
    adopt_not_known: Annotated[
        bool,
        typer.Option(
            "--adopt-not-known", help="Adopt all that was there before this server's ledger."
        ),
    ] = False,
    reason: Annotated[
        str | None,
        typer.Option(
            "--reason",
            metavar="TEXT",
            help="Why what the guard has found is right. It is kept, and archives may go again.",
        ),
    ] = None,
    *,
    where: InRepository,
    launch: Waiting,
) -> None:
    def job() -> Acknowledge:
        return Acknowledge(
            client=client_name(client),
            adopt=tuple(adopt or ()),
            remove=tuple(delete or ()),
            adopt_not_known=adopt_not_known,
            reason=reason or "",
            places=places(where),
            lock_wait=launch.lock_wait,
        )

    perform(job, launch)


def tidy(
    client: Annotated[
        str | None,
        typer.Argument(metavar="[CLIENT]", help="Only this one.", show_default="all"),
    ] = None,
    *,
    where: Annotated[Where, Only("repo", "state")],
    launch: Plain,
) -> None:
    def job() -> Tidy:
        return Tidy(
            client=client_name(client) if client else "",
            places=replace(places(where), ssh_key="", known_hosts=""),
        )

    perform(job, launch)
