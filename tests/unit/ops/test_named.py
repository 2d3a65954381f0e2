"""Which named paths cost a listing of the archive."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any, cast

import pytest

from borgpull.borg import named as listing
from borgpull.borg.create import Created
from borgpull.errors import NotSaved
from borgpull.ops import named


def listed(monkeypatch: pytest.MonkeyPatch, lines: Sequence[str], empty: Sequence[str]) -> int:
    """How often the archive is listed for /srv/data, of which borg's `lines` have told."""
    calls: list[str] = []
    monkeypatch.setattr(listing, "look", lambda _borg, name, _named: calls.append(name))
    done = Created(named=listing.Named.of(["/srv/data"]))
    for line in lines:
        done.named.see(*line.split(" ", 1))
    job = SimpleNamespace(
        access=SimpleNamespace(target="web1"), allow_unreadable=[], exclude=[], paths=["/srv/data"]
    )
    source = SimpleNamespace(empty=tuple(empty), left_out=())
    try:
        named.require(cast(Any, job), cast(Any, None), done, cast(Any, source))
    except NotSaved:
        return len(calls) + 100
    return len(calls)


@pytest.mark.parametrize(
    ("lines", "empty", "times"),
    [
        (["d srv/data", "U srv/data/file"], [], 0),
        (["d srv/data"], ["/srv/data"], 0),  # saved, and it was empty on the client
        ([], ["/srv/data"], 101),  # not seen: it may be missing, or a symlink
        (["d srv/data"], [], 101),  # seen, but nothing of what is in it
    ],
)
def test_the_archive_is_listed_only_for_what_the_lines_leave_open(
    monkeypatch: pytest.MonkeyPatch, lines: list[str], empty: list[str], times: int
) -> None:
    assert listed(monkeypatch, lines, empty) == times
