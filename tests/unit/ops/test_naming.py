"""The name of a new archive."""

from __future__ import annotations

import pytest

from borgpull.addresses import Target
from borgpull.errors import ArchiveExists
from borgpull.jobs import Access, Backup
from borgpull.ops import naming

JOB = Backup(verb="stream", client="web1", access=Access(target=Target(host="web1")))


def test_two_runs_within_a_second_have_two_names() -> None:
    first = naming.new_name(JOB, [])
    second = naming.new_name(JOB, [{"name": first}])
    assert first < second
    assert second.startswith("web1-2")


def test_a_clock_that_stands_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(naming, "default_archive_name", lambda client: f"{client}-now")
    monkeypatch.setattr(naming, "NEXT_NAME_SECONDS", 0.2)
    with pytest.raises(ArchiveExists):
        naming.new_name(JOB, [{"name": "web1-now"}])


def test_a_run_that_failed_within_this_second_takes_no_name() -> None:
    first = naming.unverified_mark("web1", [])
    second = naming.unverified_mark("web1", [{"name": f"web1{first}"}])
    assert first < second
    assert second.startswith(".unverified-2")
