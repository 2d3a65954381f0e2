"""The commands of restore drills."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, cast

import typer

from borgpull.cli.arguments import Client
from borgpull.cli.context import perform, run
from borgpull.cli.drilling import Drilling, duration, parts, share, size
from borgpull.cli.groups import Only, one_of
from borgpull.cli.options import SHOWN, InRepository, Launch, Plain
from borgpull.cli.places import places
from borgpull.cli.retention import seconds
from borgpull.cli.screen import Screen
from borgpull.drills import checkfile, outcomes
from borgpull.drills.telling import Telling, failed_after_all
from borgpull.errors import BorgpullError, ConfigError, DrillFailed, UsageError
from borgpull.events import Emit
from borgpull.jobs import Demo, Drill, Drills
from borgpull.names import client_name
from borgpull.outputs.drills import History, Outcome, Reported
from borgpull.results import Result
from borgpull.sidecar import in_sidecar


def drill(
    client: Annotated[
        str | None,
        typer.Argument(metavar="[CLIENT]", help="The client's name; none with --demo."),
    ] = None,
    *,
    drilling: Drilling,
    where: InRepository,
    launch: Annotated[
        Launch,
        Only("launcher", "image", "rung", "lock_wait", *SHOWN),
    ],
) -> None:
    def job() -> Drill | Demo:
        return wanted(client, drilling, where, launch)

    def way(made: Drill | Demo, launch: Launch, screen: Screen) -> Result:
        if isinstance(made, Demo):
            return run(made, launch, screen)
        if not drilling.report:
            return drilled(made, launch, screen)
        from borgpull.reports.folder import clear

        try:
            clear(Path(drilling.report))  # a drill that is killed must leave no older, green one
        except DrillFailed as error:
            return unable(made, "error", error.message)
        return reported(drilled(made, launch, screen), drilling.report)

    perform(job, launch, way)


def wanted(
    client: str | None, drilling: Drilling, where: InRepository, launch: Launch
) -> Drill | Demo:
    """Raises UsageError, ConfigError."""
    common: dict[str, Any] = {
        "how": drilling.how,
        "network": drilling.allow_network,
        "scratch": drilling.scratch or ("/scratch" if in_sidecar() else ""),
        "memory": size(drilling.memory, "--memory"),
    }
    if drilling.demo:
        if client is not None or drilling.report is not None:
            raise UsageError("--demo goes with no client, and with no --report")
        return Demo(**common)
    if client is None:
        raise UsageError("whose archive?", hint="name a client; or see a drill by --demo")
    return Drill(
        **common,
        client=client_name(client),
        archive=drilling.archive,
        sample=None if drilling.full else parts(drilling.sample),
        checks=tuple(one for word in drilling.check or () for one in checkfile.read(word)),
        max_age=seconds(drilling.max_age),
        max_restore_time=duration(drilling.max_restore_time),
        max_unproved=share(drilling.max_unproved),
        places=places(where),
        lock_wait=launch.lock_wait,
    )


def drilled(job: Drill, launch: Launch, emit: Emit) -> Result:
    """Run a drill. One that could not even begin has a result, too.

    Raises UsageError, ConfigError for what the user has named wrongly.
    """
    try:
        result = run(job, launch, emit)
    except (UsageError, ConfigError):
        raise
    except BorgpullError as error:
        return unable(job, outcomes.of_error(error), error.message)
    return result if result.data else unable(job, "could not verify", "it gave no result")


def unable(job: Drill, outcome: Outcome, reason: str) -> Result:
    """The result of a drill that has none of its own."""
    told = Telling(job)
    told.because(outcome, reason)
    return told.result(told.drill(), history=[], signature="", public_key="")


def reported(result: Result, folder: str) -> Result:
    """Write the reports. If that fails, so has the drill."""
    from borgpull.reports.folder import write

    try:
        write(cast("Reported", result.data), Path(folder))
    except DrillFailed as error:
        return failed_after_all(result, error)
    return result


def drills(
    client: Client,
    form: Annotated[
        str,
        typer.Option(
            "--format", **one_of(("text", "md")), help="md: a table in Markdown, for an auditor."
        ),
    ] = "text",
    *,
    where: InRepository,
    launch: Plain,
) -> None:
    def job() -> Drills:
        return Drills(client=client_name(client), places=places(where))

    def way(made: Drills, launch: Launch, screen: Screen) -> Result:
        result = run(made, launch, screen)
        if form == "text" or launch.json_lines:
            return result
        from borgpull.reports import matrix

        print(matrix.render(made.client, cast("History", result.data)).decode(), end="")
        return replace(result, data={})

    perform(job, launch, way)
