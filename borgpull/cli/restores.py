"""The commands that bring things back, and those that find what to bring back."""

from __future__ import annotations

from typing import Annotated

import typer

from borgpull.addresses import Target, restore_target
from borgpull.cli.arguments import Archive, Client
from borgpull.cli.context import perform
from borgpull.cli.groups import Only
from borgpull.cli.options import InRepository, Launch, OnClient, Plain, Through, Where
from borgpull.cli.places import access, places, ssh_words
from borgpull.cli.restoring import Restoring
from borgpull.cli.userconfig import resolve
from borgpull.errors import UsageError
from borgpull.jobs import Diff, Find, Restore
from borgpull.names import client_name
from borgpull.paths import archive_path
from borgpull.verbs import WAYS


def restore(
    client: Client,
    archive: Archive,
    paths: Annotated[
        list[str] | None,
        typer.Argument(metavar="[PATH]...", help="Paths in the archive.", show_default="all"),
    ] = None,
    *,
    restoring: Restoring,
    on_client: Annotated[OnClient, Only("client_borg", "sudo")],
    through: Through,
    where: Where,
    launch: Launch,
) -> None:
    def job() -> Restore:
        target, folder = restore_target(restoring.to)
        how = restoring.how or default_way(target, on_client)
        require_fit(how, target, on_client, through)
        ssh_words(through)  # wrong ones are told where they are of no use, too
        road = resolve(restoring.to.partition(":/")[0], through.via) if target else None
        return Restore(
            client=client_name(client),
            access=access(road, through, on_client) if road else None,
            archive=archive,
            paths=tuple(archive_path(path) for path in paths or ()),
            places=places(where, through, road),
            how=how,
            into=folder,
            strip=restoring.strip,
            overwrite=restoring.overwrite.value,
            numeric_ids=restoring.numeric_ids,
            room_check=not restoring.no_room_check,
            dry_run=launch.dry_run,
            lock_wait=launch.lock_wait,
        )

    perform(job, launch)


def default_way(target: Target | None, on_client: OnClient) -> str:
    """The way that tells another machine no secret, unless its own borg is to extract."""
    if target is None:
        return "local"
    return "native" if on_client.client_borg else "stream"


def require_fit(how: str, target: Target | None, on_client: OnClient, through: Through) -> None:
    """Raises UsageError if the way, the target and the options do not go together."""
    if not WAYS[how].here and target is None:
        raise UsageError(f"--how {how} is for another machine", hint="--to HOST:DIR")
    if WAYS[how].here and target is not None:
        raise UsageError(f"--how {how} is for a folder here", hint="--to /DIR")
    options = {"client_borg": on_client.client_borg, "sudo": on_client.sudo, "via": through.via}
    for name, given in options.items():
        ways = [way.name for way in WAYS.values() if name in way.options]
        if given and how not in ways:
            raise UsageError(
                f"--{name.replace('_', '-')} does not go with --how {how}",
                hint=f"it is for {', '.join(ways)}",
            )


def find(
    client: Client,
    pattern: Annotated[
        str,
        typer.Argument(
            metavar="PATTERN", help="As for a shell, `**` too; without `/` for names anywhere."
        ),
    ],
    where: InRepository,
    launch: Plain,
) -> None:
    def job() -> Find:
        return Find(client=client_name(client), pattern=pattern, places=places(where))

    perform(job, launch)


def diff(
    client: Client, first: Archive, second: Archive, where: InRepository, launch: Plain
) -> None:
    def job() -> Diff:
        return Diff(
            client=client_name(client),
            first=first,
            second=second,
            places=places(where),
        )

    perform(job, launch)
