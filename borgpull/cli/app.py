"""The command `borgpull` and its commands. Each one is made only when it is asked for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Annotated, Any, NamedTuple

import typer
from typer.core import TyperCommand
from typer.main import get_command

from borgpull import __version__
from borgpull.cli.groups import flat
from borgpull.cli.parsing import NAME, Bounded
from borgpull.late import Late
from borgpull.verbs import METHODS, VERBS, Group

SETTINGS = {"help_option_names": ["-h", "--help"]}


class Row(NamedTuple):
    """A command: where it is (module and name, in this package), and what `--help` says of it."""

    place: str
    summary: str
    group: Group
    hidden: bool = False


# The commands of verbs, and those that do no job.
COMMANDS = {
    name: Row(place=verb.command, summary=verb.summary, group=verb.group)
    for name, verb in VERBS.items()
    if verb.command
}
OTHERS = {
    "authorize": Row(
        place="authorize.authorize",
        summary="Print the authorized_keys line that lets our key do just this on the client.",
        group="Access",
    ),
    "job": Row(
        place="job.job",
        summary="Read one job from standard input, do it, and end when that input ends.",
        group="Host",
        hidden=True,
    ),
    "render": Row(place="render.app", summary="Print a file made from the code.", group="Host"),
    "version": Row(
        place="versions.version",
        summary="The versions of borgpull and of what it stands on, as far as it is here.",
        group="Host",
    ),
    "words": Row(
        place="words.words",
        summary="Run the command whose words are in a file.",
        group="Host",
        hidden=True,
    ),
}


ROWS = {**COMMANDS, **OTHERS}
FUNCTIONS: Late[Any] = Late(__package__, {name: row.place for name, row in ROWS.items()})


def made(name: str) -> Any:
    """typer's command of that name."""
    row, found = ROWS[name], FUNCTIONS[name]
    if isinstance(found, typer.Typer):
        return get_command(found)
    without: set[str] = set()
    if name in METHODS:
        every = {option for method in METHODS.values() for option in method.options}
        found, without = partial(found, name), every - set(METHODS[name].options)
    single = typer.Typer(add_completion=False, context_settings=SETTINGS)
    single.command(name, help=row.summary, rich_help_panel=row.group, hidden=row.hidden)(
        flat(found, without)
    )
    return get_command(single)


class Commands(Mapping[str, Any]):
    """The commands by name, each made when it is asked for: a call needs one of them."""

    def __init__(self) -> None:
        self._made: dict[str, Any] = {}

    def __getitem__(self, name: str) -> Any:
        if name not in self._made:
            self._made[name] = made(name)
        return self._made[name]

    def __iter__(self) -> Iterator[str]:
        return iter(ROWS)

    def __len__(self) -> int:
        return len(ROWS)


class Borgpull(Bounded):
    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        self.commands = Commands()  # type: ignore[assignment]

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """The list of commands needs one line for each command, not its options."""
        self.commands = {
            name: TyperCommand(name, help=row.summary, rich_help_panel=row.group, hidden=row.hidden)
            for name, row in ROWS.items()
        }
        try:
            super().format_help(ctx, formatter)
        finally:
            self.commands = Commands()  # type: ignore[assignment]


def _show_version(value: bool) -> None:
    if value:
        typer.echo(__version__)
        raise typer.Exit


app = typer.Typer(
    name=NAME,
    cls=Borgpull,
    help="A backup server pulls borg archives of its clients.",
    pretty_exceptions_enable=False,
    context_settings=SETTINGS,
)


@app.callback()
def options(
    _version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    """What every command has in common: nothing but --version."""
