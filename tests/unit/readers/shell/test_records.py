"""What the tools of a client print of an entry; times may be anything."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from borgpull.readers.child import BadAnswer
from borgpull.readers.shell.records import MOST, of_find, of_stat

HEAD = "5 1 2 81a4 1 0 0 0 0"


def mtime(text: str) -> int:
    return of_stat(f"{HEAD}|{text}|2026-01-01 00:00:00.5|rest")[0].st_mtime_ns


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-01-02 03:04:05.000000007 +0000", 1767323045_000000007),
        ("1969-12-31 23:59:58.500000000", -1_500_000_000),
        ("0001-01-01 00:00:00", -MOST),
        ("0000-12-31 23:59:59.000000000 +0000", -MOST),
        ("-001-12-31 23:59:59.000000000 +0000", -MOST),
        ("10000-01-01 00:00:00.000000000 +0000", MOST),
        ("+10000-01-01 00:00:00.000000000", MOST),
        ("292277026596-12-04 15:30:08", MOST),
        ("67768036191676800.000000000", MOST),
        ("9223372036854775807.000000000", MOST),
        ("-9223372036854775808.000000000", -MOST),
    ],
)
def test_a_time_that_no_calendar_has_is_the_nearest_of_ours(text: str, expected: int) -> None:
    """The helper does the same."""
    assert mtime(text) == expected


@pytest.mark.parametrize("text", ["", "soon", "2026-13-01 00:00:00", "2026-01-01", "1" * 30])
def test_what_is_no_time(text: str) -> None:
    with pytest.raises(BadAnswer):
        mtime(text)


def test_seconds_of_find() -> None:
    text = b"1 2 644 1 0 0 5 %s 0.5 f"
    for seconds, expected in ((b"9223372036854775807.0000000000", MOST), (b"-2.5", -1_500_000_000)):
        assert of_find(text % seconds, b"/x", b"").st.st_mtime_ns == expected


@pytest.mark.skipif(not Path("/dev/shm").is_dir(), reason="most disks take no such time")
@pytest.mark.parametrize("seconds", [253402300800, -62167219201, 9223372036854775807])
def test_odd_times_by_the_tools_of_here(seconds: int) -> None:
    file = Path(f"/dev/shm/borgpull-test-{seconds}")
    try:
        subprocess.run(["touch", "-d", f"@{seconds}", file], check=True)
        script = Path("borgpull/client/scripts/shell_read.sh").read_text()
        form = script.partition("format='")[2].partition("'")[0]
        said = subprocess.check_output(
            [shutil.which("stat") or "stat", "-c", form, file], text=True
        )
        expected = MOST if seconds > 0 else -MOST
        assert of_stat(said.strip() + "|")[0].st_mtime_ns == expected
    finally:
        file.unlink(missing_ok=True)
