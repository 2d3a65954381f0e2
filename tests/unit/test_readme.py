"""README and docs agree with the code: exit codes, commands, options, command lines."""

from __future__ import annotations

import re

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from borgpull.cli.app import app
from borgpull.cli.render import exit_codes
from borgpull.verbs import METHODS
from tests.support.commands import commands
from tests.support.documents import PAGES, README, REFERENCE, command_lines, section

SINGLE = "### Options of single commands"


def options() -> list[tuple[str, str, str | None]]:
    """Command, option and variable of all commands; an option with a letter counts twice."""
    return [
        (name, option, str(parameter.envvar) if parameter.envvar else None)
        for name, command in commands()
        for parameter in command.params
        if parameter.param_type_name == "option"
        for option in parameter.opts
    ]


def test_the_table_of_exit_codes_is_the_codes() -> None:
    text = REFERENCE.read_text()
    assert exit_codes() in text, "make the table anew: borgpull render exit-codes"


def test_enough_command_lines_are_found() -> None:
    verbs = {words[0] for words in command_lines()}
    assert {*METHODS, "trust", "list", "borg", "render", "authorize"} <= verbs
    assert {"restore", "browse", "find"} <= verbs


@pytest.mark.parametrize("words", command_lines(), ids=" ".join)
def test_each_command_line_can_be_parsed(words: list[str]) -> None:
    """Only parsed: unknown commands and options, missing arguments and bad values raise."""
    command = get_command(app)
    while (below := getattr(command, "commands", None)) is not None:
        name, *words = words
        command = below[name]
    assert command.make_context(command.name, words)


def test_each_command_that_the_text_names_is_one() -> None:
    known = {name.partition(" ")[0] for name, _ in commands()}
    named = {
        (page.name, word)
        for page in PAGES
        for word in re.findall(r"`borgpull\s+([a-z][\w-]*)", page.read_text())
    }
    assert len(named) > 5
    assert {pair for pair in named if pair[1] not in known} == set()


@pytest.mark.parametrize("name", [name for name, _ in commands()])
def test_each_command_is_in_the_reference_and_has_help(name: str) -> None:
    text = section(REFERENCE.read_text(), "## Commands")
    assert re.search(rf"^\| `{name}\b", text, re.MULTILINE)
    assert CliRunner().invoke(app, [*name.split(), "--help"]).exit_code == 0


@pytest.mark.parametrize("method", METHODS)
def test_each_method_is_in_the_readme(method: str) -> None:
    text = section(README.read_text(), "## Which method")
    assert re.search(rf"^\| `{method}` \|", text, re.MULTILINE)


@pytest.mark.parametrize(("command", "option", "variable"), options())
def test_each_option_is_in_the_reference(command: str, option: str, variable: str | None) -> None:
    """In the tables of options with a variable, or with its command among those without."""
    text = section(REFERENCE.read_text(), "## Options")
    shared, single = text.partition(SINGLE)[0], text.partition(SINGLE)[2]
    if variable is None and command != "version":
        assert re.search(rf"^\| `{command}` \| `[^`]*{option}\b", single, re.MULTILINE)
        return
    assert re.search(rf"^\| `[^|]*(?<![\w-]){option}\b", shared, re.MULTILINE)
    if variable is not None and len(option) > 2:
        name = option.strip("-").replace("-", "_").upper()
        # A drill's option that means something else in another command has a name of its own.
        assert variable in (f"BORGPULL_{name}", f"BORGPULL_{command.upper()}_{name}")


def test_enough_options_are_found() -> None:
    found = {option for _, option, _ in options()}
    assert {"--init", "--lock-wait", "--allow-unreadable", "--adopt", "--overwrite"} <= found
