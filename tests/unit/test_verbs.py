"""The rows of borgpull/verbs.py: each has all that belongs to a verb, and nothing else is one."""

from __future__ import annotations

from typing import get_type_hints

import pytest
from typer.main import get_command

from borgpull import methods, ops, restores
from borgpull.cli import app
from borgpull.cli.summaries import SUMMARIES
from borgpull.events import silent
from borgpull.jobs import KINDS, Look
from borgpull.ops import OPS
from borgpull.verbs import METHODS, VERBS, WAYS
from tests.support.documents import REFERENCE, section

# What has no command of its own, and what shows its output by itself.
HIDDEN, QUIET = {"serve", "demo"}, {"borg", "serve"}


def test_each_has_an_op_a_command_and_a_summary() -> None:
    assert set(OPS) == set(VERBS)
    assert set(app.COMMANDS) == set(VERBS) - HIDDEN
    assert set(SUMMARIES) == set(VERBS) - QUIET
    assert set(methods.METHODS) == set(METHODS)
    assert set(restores.WAYS) == set(WAYS)


@pytest.mark.parametrize("name", VERBS)
def test_an_op_takes_the_kind_of_its_row_and_no_wider_type(name: str) -> None:
    assert get_type_hints(OPS[name])["job"] is KINDS[name]


def test_a_job_of_another_kind_is_refused() -> None:
    with pytest.raises(AssertionError, match="list is no Look"):
        ops.do(Look(verb="list"), silent)


@pytest.mark.parametrize("name", app.COMMANDS)
def test_help_has_its_summary_and_its_group(name: str) -> None:
    command = get_command(app.app).commands[name]  # type: ignore[attr-defined]
    assert command.help == VERBS[name].summary
    assert command.rich_help_panel == VERBS[name].group


@pytest.mark.parametrize("name", METHODS)
def test_the_options_of_a_method_are_options(name: str) -> None:
    has = {parameter.name for parameter in get_command(app.app).commands[name].params}  # type: ignore[attr-defined]
    others = {option for method in METHODS.values() for option in method.options}
    assert has & others == set(METHODS[name].options)
    assert METHODS[name].authorized.startswith("restrict")


@pytest.mark.parametrize("name", sorted(set(VERBS) - HIDDEN))
def test_the_docs_tell_of_it(name: str) -> None:
    assert f"\n| `{name} " in section(REFERENCE.read_text(), "## Commands")
