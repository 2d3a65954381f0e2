"""A signal ends a command, whatever it is about; only what must not be left half done goes on."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, NoReturn

import pytest

from borgpull import signals
from borgpull.borg.repository import UNVERIFIED
from borgpull.errors import ConnectionLost, Interrupted, Told
from borgpull.events import silent
from borgpull.ops.backup import _sweep_unverified
from borgpull.ops.doctor import attempt


@pytest.mark.parametrize(
    ("raised", "calls"),
    [
        ([], 1),
        ([ConnectionLost("gone")], 1),
        ([Interrupted(signal.SIGTERM)], 2),
        ([Interrupted(signal.SIGTERM), ConnectionLost("gone")], 2),
    ],
)
def test_to_its_end(raised: list[Told], calls: int) -> None:
    done, left = [], [*raised]

    def clean() -> None:
        done.append("clean")
        if left:
            raise left.pop(0)

    if raised:
        with pytest.raises(type(raised[0])):
            signals.to_its_end(clean)
    else:
        signals.to_its_end(clean)
    assert len(done) == calls


def _killed(*_: Any) -> NoReturn:
    os.kill(os.getpid(), signal.SIGTERM)
    raise AssertionError("the signal was not obeyed")


@pytest.mark.parametrize(
    "command",
    [
        lambda: attempt("login", "good", _killed),
        # Its failure is only told; a signal is no failure.
        lambda: _sweep_unverified(
            SimpleNamespace(run=_killed),  # type: ignore[arg-type]
            [f"web1{UNVERIFIED}20260101T000000Z"],
            silent,
        ),
    ],
    ids=["doctor", "sweep"],
)
def test_no_step_takes_a_signal_for_its_failure(command: Callable[[], object]) -> None:
    with signals.raised(), pytest.raises(Interrupted) as found:
        command()
    assert found.value.exit_code == 128 + signal.SIGTERM
