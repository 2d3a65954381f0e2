"""What the comparison by sshfs says of itself: its findings, or that the connection has ended."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any, cast

import pytest

from borgpull.errors import ConnectionLost
from borgpull.methods.comparison import Verifier
from borgpull.process import CommandError, running
from borgpull.ssh import session

CONFIG = SimpleNamespace(target="root@client")
VERIFIER = Verifier(*cast(Any, (None, None, CONFIG, None)))
UNREADABLE = {"differs": "file", "unreadable": True}


def findings(finding: dict[str, Any], code: int, mount: str) -> list[dict[str, Any]]:
    """Of a program that prints this and ends so, on a mount that lives as long as `mount` runs."""
    script = 'printf "%s\\n" "$0"; echo broken off >&2; exit "$1"'
    argv = ["sh", "-c", script, json.dumps(finding), str(code)]
    with (
        running(["sh", "-c", mount], name="sshfs") as sshfs,
        running(argv, name="compare") as child,
    ):
        return VERIFIER._findings(child, sshfs)


@pytest.mark.parametrize(("finding", "code"), [(UNREADABLE, 0), ({}, 1)])
def test_a_connection_that_ends_is_no_fault_of_a_file(finding: dict[str, Any], code: int) -> None:
    with pytest.raises(ConnectionLost):
        findings(finding, code, "sleep 0.3")


def test_what_is_found_while_the_connection_lives(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "LAST_MOMENT_SECONDS", 0.1)
    assert findings(UNREADABLE, 0, "sleep 9") == [UNREADABLE]
    assert findings({}, 0, "sleep 9") == [{}]
    with pytest.raises(CommandError, match="broken off"):
        findings({}, 1, "sleep 9")
