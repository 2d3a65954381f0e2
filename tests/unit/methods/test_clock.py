"""The client's clock: measured, told, and not believed."""

from __future__ import annotations

import time

import pytest

from borgpull.borg import messages
from borgpull.borg.create import Order
from borgpull.borg.repository import with_offset
from borgpull.cli.text import when
from borgpull.client.facts import Facts, clock_skew, read
from borgpull.errors import ArchiveNotMade, ArchivesVanished, BorgFailed
from borgpull.methods import clock


@pytest.mark.parametrize(
    ("there", "skew"),
    [(None, None), (100, 0), (104, 0), (98, -1.5), (110, 5.5), (0, -99.5)],
)
def test_the_skew_is_what_the_way_does_not_explain(there: int | None, skew: float | None) -> None:
    assert clock_skew(there, 100.5, 104.5) == skew


@pytest.mark.parametrize("text", [b"", b"x", b"-5", b"1" * 5000, b"1.5", "\u0661".encode()])
def test_a_time_that_is_none(text: bytes) -> None:
    assert read(b"\nborgpull-time " + text + b"\n").time is None


def test_a_time_that_the_clients_clock_has_passed() -> None:
    """SFTP tells none, and what it lets us know of it may be old."""
    assert clock.passed(Facts(time=7, passed=9)) == 7
    ours = int(time.time()) - clock.MAX_SKEW_SECONDS
    assert ours <= clock.passed(Facts()) <= ours + 60
    assert ours <= clock.passed(Facts(passed=2**31)) <= ours + 60
    assert clock.passed(Facts(passed=ours - 86_400)) == ours - 86_400


@pytest.mark.parametrize("good", ["2026-01-02T03:04:05+00:00", "2026-01-02T03:06:05+00:00"])
def test_the_time_that_was_ordered(good: str) -> None:
    clock.require({"name": "a", "time": good}, "2026-01-02T03:04:05")


@pytest.mark.parametrize(
    "wrong", ["2031-01-02T03:04:05+00:00", "1970-01-02T03:04:05+00:00", "?", None, "2026-01-02"]
)
def test_another_time_than_the_one_that_was_ordered(wrong: str | None) -> None:
    with pytest.raises(ArchiveNotMade, match="gave archive a the time"):
        clock.require({"name": "a", "time": wrong}, "2026-01-02T03:04:05")


@pytest.mark.usefixtures("tokyo")
def test_an_order_has_the_time_of_the_server_in_utc() -> None:
    ordered = time.strptime(Order(archive="a").time, "%Y-%m-%dT%H:%M:%S")
    assert abs(time.mktime(ordered) - time.mktime(time.gmtime())) < 5


@pytest.mark.usefixtures("tokyo")
def test_people_read_times_with_their_zone() -> None:
    assert when(with_offset("2026-01-02T03:04:05.000001")) == "2026-01-02T12:04:05+09:00"
    assert when("2026-01-02T03:04:05+00:00") == "2026-01-02T12:04:05+09:00"
    for odd in ("0001-01-01T00:00:00+00:00", "99999-01-01", "?"):
        assert when(odd)
    assert when(None) == "?"
    assert with_offset(None) is None


@pytest.mark.parametrize(
    ("code", "text", "error"),
    [
        (63, "", ArchivesVanished),
        (64, "", ArchivesVanished),
        (
            2,
            "Cache, or information obtained from the security directory is newer than repository",
            ArchivesVanished,
        ),
        (2, "Cache is newer than repository - do you have multiple", ArchivesVanished),
        (2, "x: Cache is newer than repository", BorgFailed),
    ],
)
def test_an_older_copy_of_the_repository(code: int, text: str, error: type[Exception]) -> None:
    assert type(messages.from_exit(code, text, "web1")) is error
