"""The command `borgpull`: its commands, put together."""

from __future__ import annotations

import json
import platform
import re
import sys
from typing import Annotated

import typer

from borgpull import __version__
from borgpull.cli import authorize, backups, browse, commands, hosts, job, render, restores
from borgpull.cli.context import in_sidecar
from borgpull.cli.keeper import keep
from borgpull.cli.screen import Screen
from borgpull.errors import InvalidHost
from borgpull.process import CommandError, run

ADDRESS_COMMANDS = (*backups.METHOD_OPTIONS, "trust", "doctor")

app = typer.Typer(
    name="borgpull",
    help="A backup server pulls borg archives of its clients.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for verb in backups.METHOD_OPTIONS:
    app.command(verb)(backups.command(verb))
app.command("init")(commands.init)
app.command("list")(commands.list_archives)
app.command("info")(commands.info)
app.command("borg")(commands.borg)
app.command("acknowledge")(commands.acknowledge)
app.command("trust")(hosts.trust)
app.command("authorize")(authorize.authorize)
app.command("doctor")(hosts.doctor)
app.command("tidy")(commands.tidy)
app.command("restore")(restores.restore)
app.command("browse")(browse.browse)
app.command("find")(restores.find)
app.command("diff")(restores.diff)
app.command("job", hidden=True)(job.job)
app.add_typer(render.app, name="render")


@app.command()
def version(
    json_lines: Annotated[bool, typer.Option("--json", help="As one JSON object.")] = False,
) -> None:
    """The versions of borgpull and of what it stands on, as far as it is here."""
    found = {"borgpull": __version__, "python": platform.python_version()}
    for name, argv in (("borg", ["borg", "--version"]), ("sshfs", ["sshfs", "--version"])):
        found[name] = _first_line(argv)
    found["ssh"] = _first_line(["ssh", "-V"])
    if json_lines:
        typer.echo(json.dumps(found))
    else:
        for name, text in found.items():
            typer.echo(f"{name:<9} {text}")


def _first_line(argv: list[str]) -> str:
    try:
        done = run(argv, timeout=20, check=False)
    except CommandError:
        return "not here"
    lines = (done.stdout.decode(errors="replace") + done.stderr).strip().splitlines()
    # sshfs names fusermount3 first.
    own = [line for line in lines if argv[0] in line.lower()]
    return (own or lines or ["unknown"])[0]


def _show_version(value: bool) -> None:
    if value:
        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def options(
    _version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    """What every command has in common: nothing but --version."""


def main() -> None:
    """The entry point."""
    reject_dash_hosts(sys.argv[1:])
    if in_sidecar():
        keep()
    app()


def reject_dash_hosts(words: list[str]) -> None:
    """A host like `-oProxyCommand=...` is an attack or a slip: say so, not `no such option`.

    Ends the process with InvalidHost's code.
    """
    if words[:1] and words[0] in ADDRESS_COMMANDS:
        options = words[1 : words.index("--") if "--" in words else None]
        for word in options:
            if re.fullmatch(r"-[^-].+", word):
                error = InvalidHost(f"not a host name or address: {word!r}")
                Screen(json_lines="--json" in options, verbose=False).error(error, words[0], "")
                raise SystemExit(error.exit_code)
