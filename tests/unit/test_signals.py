"""A signal ends a command, whatever it is about; only what must not be left half done goes on."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any, NoReturn, cast

import pytest

from borgpull import signals
from borgpull.borg.repository import UNVERIFIED
from borgpull.client.facts import Facts
from borgpull.client.folder import Place
from borgpull.client.setup import clean_up
from borgpull.errors import ConnectionLost, Interrupted, Told, again
from borgpull.events import silent
from borgpull.ops.conclusion import sweep_unverified
from borgpull.ops.doctor import attempt
from borgpull.process import running


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
        lambda: sweep_unverified(
            SimpleNamespace(run=_killed, json=_killed),  # type: ignore[arg-type]
            [{"name": f"web1{UNVERIFIED}20260101T000000Z", "id": "1"}],
            silent,
        ),
    ],
    ids=["doctor", "sweep"],
)
def test_no_step_takes_a_signal_for_its_failure(command: Callable[[], object]) -> None:
    with signals.raised(), pytest.raises(Interrupted) as found:
        command()
    assert found.value.exit_code == 128 + signal.SIGTERM


@pytest.fixture
def interrupted() -> Iterator[None]:
    """After a signal, while the run unwinds."""
    with signals.raised():
        with pytest.raises(Interrupted):
            os.kill(os.getpid(), signal.SIGTERM)
        yield


@pytest.mark.usefixtures("interrupted")
def test_a_client_that_hangs_does_not_hold_the_unwinding(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signals, "_over", time.monotonic() + 2.5)
    hanging = SimpleNamespace(command=lambda *_: ["sleep", "60"], alive=lambda: True, config=None)
    place = Place(cast(Any, hanging), Facts(folder="/nowhere"), sudo=False)
    started = time.monotonic()
    hanging.config = SimpleNamespace(target="root@web1")
    with running(["sh", "-c", "trap '' TERM; sleep 60"], name="stubborn"):
        place.leave(keep=False)
    assert time.monotonic() - started < 6


@pytest.mark.usefixtures("interrupted")
def test_waits_are_short_after_a_signal() -> None:
    assert signals.patience(60) <= signals.UNWIND_SECONDS
    assert signals.patience(60, spare=99) == signals.LAST_SECONDS
    assert signals.patience(0.1) == 0.1


def test_waits_are_as_long_as_they_say_before() -> None:
    assert signals.patience(60, spare=59) == 60
    assert not signals.out_of_time(spare=99)


def test_a_result_of_a_signal_is_the_signal_again() -> None:
    found = again(143, "ended by signal 15", "run again")
    assert isinstance(found, Interrupted) and found.exit_code == 143
    other = again(43, "in use", "wait")
    assert (type(other).__name__, other.message, other.hint) == (
        "RepositoryLocked",
        "in use",
        "wait",
    )
