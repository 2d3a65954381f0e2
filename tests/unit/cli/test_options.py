"""What `--help` shows: the options in their groups, each default, and nothing eaten by rich."""

from __future__ import annotations

import re
from dataclasses import fields
from enum import Enum
from typing import Any

import pytest
from typer.testing import CliRunner

from borgpull.cli import options
from borgpull.cli.app import app
from borgpull.cli.cluster import Cluster
from borgpull.cli.groups import Group
from borgpull.cli.rendered import Timing
from borgpull.cli.restoring import Restoring
from borgpull.cli.retention import Ages, Keeping
from tests.support.commands import commands
from tests.support.documents import REFERENCE, section

GROUPS = [
    *(item for item in vars(options).values() if item in Group.__subclasses__()),
    *(Restoring, Keeping, Ages, Timing, Cluster),
]


def shown(name: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """On a terminal that is wide enough for every row to be one line."""
    monkeypatch.setenv("COLUMNS", "400")
    done = CliRunner().invoke(app, [*name.split(), "--help"])
    assert done.exit_code == 0, done.output
    return done.output


def default_of(parameter: Any) -> str | None:
    """The default as help is to show it; None where there is none."""
    if isinstance(parameter.show_default, str):
        return f"({parameter.show_default})"
    if parameter.default is None or parameter.default is False or parameter.required:
        return None
    value = parameter.default
    return str(value.value if isinstance(value, Enum) else value)


@pytest.mark.parametrize(("name", "command"), list(commands()))
def test_each_default_is_shown(name: str, command: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    text = shown(name, monkeypatch)
    rows = text.splitlines()
    for parameter in command.params:
        argument = parameter.param_type_name == "argument"
        word = parameter.metavar if argument else parameter.opts[0]
        found = [row for row in rows if re.match(rf"│[ *]+{re.escape(word)}\s", row)]
        assert found, word
        default = default_of(parameter)
        for row in found:
            assert ("[default" in row) == (default is not None), row
            assert default is None or f"[default: {default}]" in row, row


@pytest.mark.parametrize("name", [name for name, _ in commands()])
def test_nothing_is_eaten(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """rich takes what is in brackets for its own, and leaves `Absolute paths .`"""
    assert not re.search(r"\s[.,;](\s|$)", shown(name, monkeypatch), re.MULTILINE)


@pytest.mark.parametrize("group", GROUPS, ids=lambda group: group.__name__)
def test_the_reference_has_the_same_groups(group: type[Group]) -> None:
    text = section(REFERENCE.read_text(), f"### {group.title}")
    for item in fields(group):
        words = item.name.removesuffix("_lines").replace("_", "-")
        assert f"| `--{words}" in text, f"--{words} is in another group"


def test_an_option_stands_in_one_group() -> None:
    names = [item.name for group in GROUPS for item in fields(group)]
    assert len(names) == len(set(names)) > 30


def test_help_has_a_panel_a_group(monkeypatch: pytest.MonkeyPatch) -> None:
    text = shown("pipe", monkeypatch)
    assert [group.title for group in GROUPS if f"─ {group.title} ─" not in text] == [
        "Restore and browse",
        "What prune keeps",
        "What status allows",
        "What runs when",
        "What a cluster gives",
    ]
