"""Which command of borg a line holds: nothing that frees or changes slips through."""

from __future__ import annotations

import pytest

from borgpull.borg.subcommand import (
    CHANGING,
    FREEING,
    LOOKING,
    MAKING,
    REMOVING,
    makes,
    may_change,
    may_free,
    may_prune,
    may_remove,
    readings,
)


@pytest.mark.parametrize(
    "line",
    [
        "compact",
        "--progress compact",
        "-v compact ::",
        "-pv compact",
        "--lock-wait 5 compact",
        "--lock-wait=5 compact",
        "--lock 5 compact",  # an abbreviation
        "--debug-topic list compact",  # a value that is a command
        "--debug-topic list --umask 77 -p compact --threshold 10",
        "-- compact",
        "compact --dry-run",
        "serve",
        "--rsh prune serve",
        "delete --force",
        "-p delete --forc ::",
        "delete :: --force --force",
    ],
)
def test_what_frees(line: str) -> None:
    assert may_free(line.split())


@pytest.mark.parametrize(
    "line",
    [
        *("", "--help", "list", "list ::compact", "extract ::a compact", "--lock-wait 5 list"),
        *("delete ::a", "delete --stats :: a b", "prune --keep-daily 7", "with-lock :: compact"),
        *("create ::a compact", "comp", "Compact"),  # borg knows no abbreviated commands
    ],
)
def test_what_does_not(line: str) -> None:
    assert not may_free(line.split())


@pytest.mark.parametrize(
    ("line", "changes"),
    [
        *(("list", False), ("-v info ::a", False), ("--lock-wait 5 extract ::a x", False)),
        *(("key export :: -", False), ("compact", False)),
        *(("delete ::a", True), ("-p rename ::a b", True), ("--lock-wait 5 prune", True)),
        *(("--debug-topic list prune", True), ("check --repair", True)),
        ("some-new-command", True),
    ],
)
def test_what_changes(line: str, changes: bool) -> None:
    assert may_change(line.split()) is changes


@pytest.mark.parametrize(
    ("line", "removes"),
    [
        *(("prune --keep-daily 7", True), ("-p delete ::a", True), ("compact", True)),
        *(("recreate", True), ("rename ::a b", True), ("with-lock :: rm x", True)),
        *(("check --repair", True), ("check --repa", True), ("check", False)),
        *(("debug delete-obj :: x", True), ("debug dump-archive ::a -", False)),
        *(("create ::a /", False), ("list", False), ("extract ::prune", False)),
        *(("--debug-topic list prune", True), ("some-new-command", True)),
    ],
)
def test_what_removes(line: str, removes: bool) -> None:
    assert may_remove(line.split()) is removes


def test_what_prunes_and_what_makes() -> None:
    assert may_prune(["--lock-wait", "5", "prune"])
    assert not may_prune(["delete", "::prune"])
    assert makes(["-p", "create", "::a", "/"])
    assert not makes(["check", "--repair"])  # what it brings back may be anybody's


def test_each_command_is_in_one_set() -> None:
    assert not LOOKING & CHANGING
    assert REMOVING | MAKING <= LOOKING | CHANGING
    assert FREEING <= LOOKING | CHANGING
    assert readings(["--a", "1", "--b", "2", "list", "::x"]) == {"1", "2", "list"}
