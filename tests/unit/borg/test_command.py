"""Which program runs a borg command line."""

from __future__ import annotations

from pathlib import Path

import pytest

from borgpull.borg.command import LOOKING, Borg

BORG = Borg("web1", Path("/repo/web1"), Path("/state/borg"), None, "id", prefix=("env",))
WORDS = ["borg", "--log-json", "--lock-wait", "60"]


@pytest.mark.parametrize(
    ("command", "args", "instead"),
    [
        ("list", ("--bypass-lock", "::a"), LOOKING),
        ("diff", ("--bypass-lock", "--", "::a", "b"), LOOKING),
        ("list", ("::a",), ()),
        ("rename", ("--", "::a", "--bypass-lock"), ()),  # an archive's name
    ],
)
def test_a_borg_that_takes_no_lock_cannot_write(
    command: str, args: tuple[str, ...], instead: tuple[str, ...]
) -> None:
    words = [*WORDS, command, *args]
    assert BORG.words(command, *args) == words
    assert BORG.argv(command, *args) == ["env", *instead, *words]
    exact = BORG._replace(program=("exact",))
    assert exact.argv(command, *args) == ["env", "exact", *words]
