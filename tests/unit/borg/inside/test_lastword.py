"""What can still lead to a question to the helper."""

from __future__ import annotations

import pytest

from borgpull.borg.inside.extras import NO_EXTRA
from borgpull.borg.inside.lastword import may_ask
from borgpull.borg.inside.slots import ASKED, KNOWN, LATER, READY, Plain, Run, Slot
from borgpull.borg.inside.wire import Stat

ST = Stat(0o100644, 0, 0, 1, 1, 2, 3, 4, 5, 0)
HERE, LOST = b"h" * 32, b"l" * 32


def slot(state: int, *ids: bytes, base: bytes = b"") -> Slot:
    found = Slot(1, "path", ST, NO_EXTRA, state)
    found.ids, found.base = [*ids], [base] if base else []
    return found


def batch(*ids: bytes) -> Run:
    files = [Plain(at, b"path", (), [one], b"", b"") for at, one in enumerate(ids)]
    return Run(lambda run: len(run), files)


@pytest.mark.parametrize(
    ("waiting", "may"),
    [
        ([], False),
        ([slot(ASKED), slot(READY), slot(ASKED)], False),
        ([slot(ASKED), slot(LATER)], True),  # a further name, whose first one may fail
        ([slot(ASKED), slot(KNOWN, HERE, HERE)], False),
        ([slot(ASKED), slot(KNOWN, HERE, LOST)], True),
        ([slot(ASKED, base=HERE), slot(READY, base=LOST)], False),
        ([slot(ASKED), slot(ASKED, base=LOST)], True),  # it is compared with what is lost
        ([slot(ASKED), batch(HERE, HERE)], False),
        ([slot(ASKED), batch(HERE, LOST), slot(READY)], True),
    ],
)
def test_what_waits_and_may_ask(waiting: list[Slot | Run], may: bool) -> None:
    assert may_ask(waiting, {HERE}) == may
