"""The commands that look after repositories: prune, check, status."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Annotated, Any, ClassVar

import typer

from borgpull.cli import kube as kubernetes
from borgpull.cli.arguments import Client
from borgpull.cli.context import perform
from borgpull.cli.groups import Group, Only
from borgpull.cli.options import SHOWN, InRepository, Launch, Plain, Waiting, Where, option
from borgpull.cli.places import places
from borgpull.errors import UsageError
from borgpull.jobs import Check, Keep, Prune, Status
from borgpull.names import client_name

_UNITS = {"h": 3600, "d": 86400, "w": 7 * 86400}


def _keep(each: str, text: str) -> Any:
    return option(f"--keep-{each}", text=text, min=-1)


@dataclass(frozen=True, kw_only=True)
class Keeping(Group):
    title: ClassVar[str] = "What prune keeps"

    keep_within: Annotated[
        str | None, option("--keep-within", text="All of this time, say 2d: H, d, w, m or y.")
    ] = None
    keep_last: Annotated[int | None, _keep("last", "So many, the newest first.")] = None
    keep_minutely: Annotated[int | None, _keep("minutely", "One a minute, so many.")] = None
    keep_hourly: Annotated[int | None, _keep("hourly", "One an hour, so many.")] = None
    keep_daily: Annotated[int | None, _keep("daily", "One a day, so many.")] = None
    keep_weekly: Annotated[int | None, _keep("weekly", "One a week, so many.")] = None
    keep_monthly: Annotated[int | None, _keep("monthly", "One a month, so many.")] = None
    keep_yearly: Annotated[int | None, _keep("yearly", "One a year, so many.")] = None


def _limit(of: str) -> Any:
    text = f"Red if the last good {of} is longer ago, say 26h: h, d or w."
    return option(f"--max-{of}-age", text=text, metavar="TIME")


@dataclass(frozen=True, kw_only=True)
class Ages(Group):
    title: ClassVar[str] = "What status allows"

    max_backup_age: Annotated[str | None, _limit("backup")] = None
    max_prune_age: Annotated[str | None, _limit("prune")] = None
    max_check_age: Annotated[str | None, _limit("check")] = None
    max_drill_age: Annotated[str | None, _limit("drill")] = None


def prune(
    client: Client,
    keeping: Keeping,
    where: InRepository,
    launch: Annotated[Launch, Only("dry_run", "launcher", "image", "lock_wait", *SHOWN)],
) -> None:
    def job() -> Prune:
        return Prune(
            client=client_name(client),
            keep=Keep(
                within=keeping.keep_within,
                last=keeping.keep_last,
                minutely=keeping.keep_minutely,
                hourly=keeping.keep_hourly,
                daily=keeping.keep_daily,
                weekly=keeping.keep_weekly,
                monthly=keeping.keep_monthly,
                yearly=keeping.keep_yearly,
            ),
            places=places(where),
            dry_run=launch.dry_run,
            lock_wait=launch.lock_wait,
        )

    perform(job, launch)


def check(
    client: Client,
    verify_data: Annotated[
        bool, typer.Option("--verify-data", help="Read and authenticate all content, too.")
    ] = False,
    *,
    where: InRepository,
    launch: Waiting,
) -> None:
    def job() -> Check:
        return Check(
            client=client_name(client),
            verify_data=verify_data,
            places=places(where),
            lock_wait=launch.lock_wait,
        )

    perform(job, launch)


def status(
    clients: Annotated[
        list[str] | None,
        typer.Argument(metavar="[CLIENT]...", help="Only these.", show_default="all"),
    ] = None,
    kube: kubernetes.Kube = False,
    namespace: kubernetes.Namespace = "",
    all_namespaces: kubernetes.AllNamespaces = False,
    context: kubernetes.Context = "",
    *,
    ages: Ages,
    where: Annotated[Where, Only("repo", "state")],
    launch: Plain,
) -> None:
    def job() -> Status:
        kubernetes.require(kube, namespace, all_namespaces, context)
        return Status(
            clients=tuple(dict.fromkeys(client_name(name) for name in clients or ())),
            max_backup_age=seconds(ages.max_backup_age),
            max_prune_age=seconds(ages.max_prune_age),
            max_check_age=seconds(ages.max_check_age),
            max_drill_age=seconds(ages.max_drill_age),
            # Status needs no secret, so a container gets none.
            places=replace(places(where), ssh_key="", known_hosts="", passphrase=""),
        )

    looking = kubernetes.looking(context, namespace, all_namespaces)
    perform(job, launch, looking if kube else None)


def seconds(text: str | None) -> int | None:
    """A limit as a user writes it: `26h`, `8d`, `6w`. Raises UsageError."""
    if text is None:
        return None
    found = re.fullmatch(r"([0-9]{1,6})([hdw])", text)
    if found is None:
        raise UsageError(f"not a time that may have gone by: {text!r}", hint="for instance 26h, 8d")
    return int(found[1]) * _UNITS[found[2]]
