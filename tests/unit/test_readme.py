"""The README agrees with the code: its table of exit codes, its commands and options."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from borgpull.cli.app import app
from borgpull.cli.render import exit_codes

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text()


def test_the_table_of_exit_codes_is_the_codes() -> None:
    assert exit_codes() in README, "make the table anew: borgpull render exit-codes"


@pytest.mark.parametrize(
    "command",
    ["sshfs", "trust", "init", "list", "info", "borg", "tidy", "doctor", "render", "version"],
)
def test_each_command_is_in_it_and_has_help(command: str) -> None:
    assert re.search(rf"^\| .*`{command}\b", README, re.MULTILINE)
    done = CliRunner().invoke(app, [command, "--help"])
    assert done.exit_code == 0


def test_each_option_of_a_backup_is_in_it() -> None:
    help_text = CliRunner().invoke(app, ["sshfs", "--help"], env={"COLUMNS": "200"}).output
    options = set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", help_text)) - {"--help", "--no-init"}
    options = {option for option in options if not option.startswith("--no-")}
    assert {"--init", "--lock-wait", "--allow-unreadable"} <= options
    missing = {option for option in options if option not in README}
    assert not missing
