"""What is cleaned up on a client is cleaned up to its end."""

from __future__ import annotations

import signal

import pytest

from borgpull.client.setup import to_its_end
from borgpull.errors import BorgpullError, ConnectionLost, Interrupted


@pytest.mark.parametrize(
    ("raised", "calls"),
    [
        ([], 1),
        ([ConnectionLost("gone")], 1),
        ([Interrupted(signal.SIGTERM)], 2),
        ([Interrupted(signal.SIGTERM), ConnectionLost("gone")], 2),
    ],
)
def test_a_signal_is_obeyed_afterwards(raised: list[BorgpullError], calls: int) -> None:
    done, left = [], [*raised]

    def clean() -> None:
        done.append("clean")
        if left:
            raise left.pop(0)

    if raised and isinstance(raised[0], Interrupted):
        with pytest.raises(Interrupted):
            to_its_end(clean)
    else:
        to_its_end(clean)
    assert len(done) == calls
