"""A signal ends a command, whatever it is about; only what must not be left half done goes on."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any, NoReturn

import pytest

from borgpull import signals
from borgpull.borg.repository import UNVERIFIED
from borgpull.client.setup import clean_up
from borgpull.errors import ConnectionLost, Interrupted, Told
from borgpull.events import silent
from borgpull.ops.backup import _sweep_unverified
from borgpull.ops.doctor import attempt


@pytest.mark.parametrize(
    ("do", "told"),
    # What a client's clean-up cannot do, the next run can: only a signal comes out of it.
    [(signals.to_its_end, Told), (clean_up, Interrupted)],
    ids=["to its end", "clean up"],
)
@pytest.mark.parametrize(
    ("raised", "calls"),
    [
        ([], 1),
        ([ConnectionLost("gone")], 1),
        ([Interrupted(signal.SIGTERM)], 2),
        ([Interrupted(signal.SIGTERM), ConnectionLost("gone")], 2),
    ],
)
def test_a_signal_is_obeyed_afterwards(
    do: Callable[[Callable[[], int]], None], told: type[Told], raised: list[Told], calls: int
) -> None:
    done, left = [], [*raised]

    def action() -> int:
        done.append("action")
        if left:
            raise left.pop(0)
        return 0

    comes = type(raised[0]) if raised and isinstance(raised[0], told) else None
    with pytest.raises(comes) if comes else nullcontext():
        do(action)
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
