"""What reaches the screen: nothing of a client moves the cursor; every verb has its last lines."""

from __future__ import annotations

import json
from typing import Any

import pytest

from borgpull.cli.screen import Screen
from borgpull.cli.summaries import summary
from borgpull.cli.text import safe, size
from borgpull.errors import UnknownHostKey
from borgpull.events import Event
from borgpull.results import Result


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain ä 漢 🙂", "plain ä 漢 🙂"),
        ("a\nb\tc\rd", "a\\nb\\tc\\rd"),
        ("\x1b[2J\x1b]0;title\x07", "\\x1b[2J\\x1b]0;title\\x07"),
        ("\x9b31m", "\\x9b31m"),
        ("rtl \u202e lrm \u200e zwsp \u200b", "rtl \\u202e lrm \\u200e zwsp \\u200b"),
        ("line \u2028 para \u2029", "line \\u2028 para \\u2029"),
        ("\udcff", "\\udcff"),
    ],
)
def test_safe(text: str, shown: str) -> None:
    assert safe(text) == shown


def test_markup_in_names_is_only_text(capsys: pytest.CaptureFixture[str]) -> None:
    with Screen(json_lines=False, verbose=False) as screen:
        screen(Event("warning", {"text": "[red]x[/red] [link=http://x]", "path": "/a\x1b[1m"}))
    assert capsys.readouterr().err == "warning: [red]x[/red] [link=http://x]: /a\\x1b[1m\n"


def test_json_is_all_there_is_on_standard_output(capsys: pytest.CaptureFixture[str]) -> None:
    with Screen(json_lines=True, verbose=False) as screen:
        screen(Event("phase", {"name": "create", "text": "saving \udcff"}))
        screen.error(UnknownHostKey("who?"), "sshfs", "web1")
    out, err = capsys.readouterr()
    phase, result = (json.loads(line) for line in out.splitlines())
    assert err == ""
    assert phase["event"] == "phase"
    assert result["event"] == "result"
    assert result["ok"] is False
    assert result["failure"]["exit_code"] == 30
    assert result["failure"]["error"] == "UnknownHostKey"


def test_an_error_is_one_line_and_one_hint(capsys: pytest.CaptureFixture[str]) -> None:
    Screen(json_lines=False, verbose=False).error(UnknownHostKey("a\nb", hint="c"), "sshfs", "x")
    assert capsys.readouterr().err == "borgpull: error: a\\nb\nhint: c\n"


def test_progress_in_a_log_is_rare(capsys: pytest.CaptureFixture[str]) -> None:
    data = {"bytes": 1500, "new_bytes": 0, "path": "etc/x", "total_files": None}
    with Screen(json_lines=False, verbose=False) as screen:
        for files in range(100):
            screen(Event("progress", {**data, "files": files}))
    assert capsys.readouterr().err == "1 files, 1.5 kB, 0 B new, at etc/x\n"


def test_sizes() -> None:
    assert [size(n) for n in (0, 999, 1000, 2_500_000, 3e15)] == [
        *("0 B", "999 B", "1.0 kB", "2.5 MB", "3000.0 TB")
    ]


@pytest.mark.parametrize(
    ("verb", "data", "line"),
    [
        ("list", {"archives": [], "vanished": []}, "no archives yet"),
        (
            "acknowledge",
            {"acknowledged": [], "adopted": [], "deleted": []},
            "nothing has vanished",
        ),
        (
            "acknowledge",
            {"acknowledged": [], "adopted": ["a\x1b"], "deleted": []},
            "adopted: a\\x1b",
        ),
        ("tidy", {"freed": []}, "nothing to tidy"),
        ("tidy", {"freed": ["a\x1b"]}, "freed a\\x1b"),
        ("trust", {"host": "root@web1", "pinned": ["SHA256:x"]}, "pinned for root@web1: SHA256:x"),
        ("sshfs", {"dry_run": True, "items": 3}, "dry run: 3 items would be saved"),
    ],
)
def test_last_lines(verb: str, data: dict[str, Any], line: str) -> None:
    assert summary(Result(verb=verb, client="web1", data=data))[0].startswith(line)
