"""What a line of cron means, and what is none."""

from __future__ import annotations

from datetime import datetime

import pytest

from borgpull.errors import UsageError
from borgpull.renderers.timetable import NICKNAMES, Timetable


@pytest.mark.parametrize("sunday", ["0", "7", "sun"])
def test_sunday_has_two_numbers(sunday: str) -> None:
    times = Timetable.parse(f"0 3 * * {sunday}", "Europe/Berlin", "x").after(
        datetime(2027, 1, 1), 2
    )
    assert [f"{time:%F %H:%M%z}" for time in times] == [
        "2027-01-03 03:00+0100",
        "2027-01-10 03:00+0100",
    ]


@pytest.mark.parametrize("word", NICKNAMES)
def test_the_name_decides_the_minute_of_a_nickname(word: str) -> None:
    first = Timetable.parse(word, "UTC", "web1")
    assert first == Timetable.parse(word, "UTC", "web1")
    assert len({Timetable.parse(word, "UTC", f"web{n}").cron for n in range(40)}) > 20


@pytest.mark.parametrize(
    "cron",
    [
        "",
        "* * * *",
        "* * * * * *",
        "60 * * * *",
        "0 0 30 2 *",
        "x * * * *",
        "CRON_TZ=UTC * * * * *",
        "0 0 L * *",
        "0 0 lw * *",
        "0 0 * * 5L",
        "0 0 * * mon#2",
    ],
)
def test_what_is_no_line_of_cron(cron: str) -> None:
    with pytest.raises(UsageError, match="cron"):
        Timetable.parse(cron, "UTC", "web1")


NO_ZONES = ["", "Europe/Nowhere", "../etc/passwd", "/etc/localtime", "a\0b", "localtime"]
NO_ZONES += ["posixrules", "Factory", "posix/Europe/Berlin", "right/UTC"]


@pytest.mark.parametrize("zone", NO_ZONES)
def test_what_is_no_zone(zone: str) -> None:
    with pytest.raises(UsageError, match="zone"):
        Timetable.parse("0 3 * * *", zone, "web1")


@pytest.mark.parametrize(
    ("window", "hours"), [("01:00-05:00", {1, 2, 3, 4}), ("22:30-00:30", {22, 23, 0})]
)
def test_a_window_limits_the_time_of_day(window: str, hours: set[int]) -> None:
    found = [Timetable.parse("@daily", "UTC", f"web{at}", window).cron for at in range(500)]
    assert {int(cron.split()[1]) for cron in found} == hours


@pytest.mark.parametrize(
    ("cron", "window"),
    [("@hourly", "01:00-05:00"), ("1 2 * * *", "01:00-05:00"), ("@daily", "1:00-5:00"),
     ("@daily", "01:00"), ("@daily", "23:00-24:00"), ("@daily", "")],
)  # fmt: skip
def test_what_is_no_window(cron: str, window: str) -> None:
    with pytest.raises(UsageError, match="window"):
        Timetable.parse(cron, "UTC", "web1", window)
