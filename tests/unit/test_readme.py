"""README and the guides in docs agree with the code: exit codes, commands, command lines."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from borgpull.cli.app import app
from borgpull.cli.backups import METHOD_OPTIONS
from borgpull.cli.render import exit_codes

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text()
DOCS = "".join((ROOT / "docs" / name).read_text() for name in ("methods.md", "restore.md"))


def command_lines() -> list[list[str]]:
    """The words after `borgpull` (or its alias) in each command line."""
    lines = (README + DOCS).splitlines()
    blocks = "\n".join(line for line in lines if re.match(r" {4,}\S", line))
    found = []
    for line in blocks.replace("\\\n", " ").splitlines():
        try:
            words = shlex.split(line)
        except ValueError:  # a picture or a table, or the authorized_keys line's quotes
            continue
        starts = [at for at, word in enumerate(words) if re.fullmatch(r"(.*/)?borgpull|bp", word)]
        # by docker, by the alias, from cron (which begins with a time), on the host
        if starts and re.fullmatch(r"docker|bp|[0-9]+|.*/borgpull", words[0]):
            rest = words[starts[0] + 1 :]
            found.append(rest[: rest.index(">")] if ">" in rest else rest)
    return found


def test_the_table_of_exit_codes_is_the_codes() -> None:
    assert exit_codes() in README, "make the table anew: borgpull render exit-codes"


def test_enough_command_lines_are_found() -> None:
    verbs = {words[0] for words in command_lines()}
    assert {*METHOD_OPTIONS, "trust", "list", "borg", "render", "authorize"} <= verbs


@pytest.mark.parametrize("words", command_lines(), ids=" ".join)
def test_each_command_line_can_be_parsed(words: list[str]) -> None:
    """Only parsed: unknown commands and options, missing arguments and bad values raise."""
    command = get_command(app)
    while (commands := getattr(command, "commands", None)) is not None:
        name, *words = words
        command = commands[name]
    assert command.make_context(command.name, words)


@pytest.mark.parametrize(
    "command",
    [
        *METHOD_OPTIONS,
        "trust",
        "authorize",
        "init",
        "list",
        "info",
        "borg",
        "acknowledge",
        "tidy",
        "restore",
        "browse",
        "find",
        "diff",
        "doctor",
        "render",
        "version",
    ],
)
def test_each_command_is_in_it_and_has_help(command: str) -> None:
    assert re.search(rf"^\| .*`{command}\b", README, re.MULTILINE)
    done = CliRunner().invoke(app, [command, "--help"])
    assert done.exit_code == 0


@pytest.mark.parametrize("method", METHOD_OPTIONS)
def test_each_option_of_a_backup_is_in_it(method: str) -> None:
    help_text = CliRunner().invoke(app, [method, "--help"], env={"COLUMNS": "200"}).output
    options = set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", help_text)) - {"--help", "--no-init"}
    options = {option for option in options if not option.startswith("--no-")}
    assert {"--init", "--lock-wait", "--allow-unreadable"} <= options
    missing = {option for option in options if option not in README}
    assert not missing
