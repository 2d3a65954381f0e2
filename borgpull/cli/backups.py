"""The commands that back a client up, one a method."""

from __future__ import annotations

from typing import Annotated

import typer

from borgpull import jobs
from borgpull.addresses import Target, host_and_port
from borgpull.borg import compression as compressions
from borgpull.cli.arguments import Address
from borgpull.cli.context import perform
from borgpull.cli.options import Fresh, Launch, OnClient, Saving, Through, Where
from borgpull.cli.places import access, exclusions, places
from borgpull.cli.sparing import Sparing, share
from borgpull.cli.userconfig import resolve
from borgpull.errors import UsageError
from borgpull.names import archive_name, client_name, default_client_name
from borgpull.paths import client_path, for_borg
from borgpull.verbs import METHODS


def backup(
    verb: str,
    address: Address,
    paths: Annotated[
        list[str] | None,
        typer.Argument(metavar="[PATH]...", help="Absolute paths.", show_default="/"),
    ] = None,
    *,
    saving: Saving,
    fresh: Fresh,
    on_client: OnClient,
    sparing: Sparing,
    through: Through,
    where: Where,
    launch: Launch,
) -> None:
    """One backup, by whichever method."""

    def job() -> jobs.Backup | jobs.Serve:
        way = resolve(address, through.via)
        back = on_client.connect_back
        require_fit(verb, way.target, fresh, on_client, sparing)
        named = saving.name
        client = client_name(named) if named else default_client_name(Target.parse(address))
        made = jobs.Backup(
            verb=verb,
            client=client,
            places=places(where, through, way),
            access=access(way, through, on_client),
            paths=tuple(dict.fromkeys(for_borg(client_path(path)) for path in paths or ["/"])),
            archive=archive_name(saving.archive) if saving.archive is not None else None,
            init=fresh.init,
            encryption=fresh.encryption,
            compression=compressions.check(saving.compression),
            exclude=exclusions(saving.exclude or (), saving.exclude_from or ()),
            allow_unreadable=tuple(client_path(path) for path in saving.allow_unreadable or ()),
            dry_run=launch.dry_run,
            lock_wait=launch.lock_wait,
            keep_runtime=on_client.keep_runtime,
            connect_back=back if back and host_and_port(back) else None,
            checkpoint_interval=on_client.checkpoint_interval,
            reader=on_client.reader,
            reread=share(on_client.reread) if on_client.reread is not None else None,
            **sparing.parts(),
        )
        return serving(made, way.target) if on_client.serve_only else made

    perform(job, launch)


def serving(made: jobs.Backup, target: Target) -> jobs.Serve:
    """The repository alone of a backup, for a borg that the user starts."""
    return jobs.Serve(
        client=made.client, places=made.places, target=target, lock_wait=made.lock_wait
    )


def require_fit(
    verb: str, target: Target, fresh: Fresh, on_client: OnClient, sparing: Sparing
) -> None:
    """Raises UsageError if the method, the login and the options do not go together."""
    if on_client.sudo and target.user == "root":
        raise UsageError("--sudo is for a user who is not root", hint="USER@HOST --sudo")
    if on_client.sudo and on_client.reader == "sftp":
        raise UsageError("SFTP cannot read as root by sudo", hint="--reader python, or root@HOST")
    if on_client.reader not in (None, "python") and sparing.skips().reasons():
        name = {"sftp": "SFTP"}.get(on_client.reader, on_client.reader)
        raise UsageError(f"{name} cannot look for tags and file systems", hint="--reader python")
    if on_client.reader not in (None, "python") and sparing.compress_link == "on":
        name = {"sftp": "SFTP"}.get(on_client.reader, on_client.reader)
        raise UsageError(f"{name} cannot pack what it sends", hint="--reader python")
    key_goes = "client_borg" in METHODS[verb].options
    if fresh.init and key_goes and fresh.encryption.startswith("keyfile"):
        raise UsageError(
            f"borg on the client has no {fresh.encryption}: that key stays on this server",
            hint="--encryption repokey-blake2, or the methods stream and sshfs",
        )
