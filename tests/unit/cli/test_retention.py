"""What prune, check and status show, and what status is told."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from borgpull.cli.app import app
from borgpull.cli.retention import seconds
from borgpull.cli.screen import Screen
from borgpull.cli.summaries import summary
from borgpull.errors import UsageError
from borgpull.events import Event
from borgpull.results import Result


@pytest.mark.parametrize(
    ("text", "number"), [("26h", 93600), ("8d", 691200), ("0h", 0), ("2w", 1209600)]
)
def test_a_time_that_may_have_gone_by(text: str, number: int) -> None:
    assert seconds(text) == number
    assert seconds(None) is None


@pytest.mark.parametrize("text", ["", "8", "d", "-1d", "1.5h", "8D", "8 d", "8m", "9999999d", "²d"])
def test_what_is_no_time(text: str) -> None:
    with pytest.raises(UsageError):
        seconds(text)


@pytest.mark.parametrize(("rule", "end"), [("daily #1", "keeps (daily #1)"), (None, "goes")])
def test_a_line_an_archive(
    rule: str | None, end: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TZ", "UTC")
    item = {"archive": "a\x1b[31m", "time": "2026-01-01T00:00:00+00:00", "id": "1"}
    with Screen(json_lines=False, verbose=False) as screen:
        screen(Event("item", {**item, "kept_by": rule}))
    line = capsys.readouterr().out
    assert line.startswith("a\\x1b[31m ")
    assert line.endswith(f"  {end}\n")


@pytest.mark.parametrize("words", [(), ("--keep-daily", "0"), ("--keep-within", "5x")])
def test_without_a_rule_nothing_is_begun(words: tuple[str, ...]) -> None:
    """Not even a launcher is asked for."""
    done = CliRunner().invoke(app, ["prune", "web1", "--launcher", "docker", *words])
    assert done.exit_code == UsageError.exit_code


def test_last_lines() -> None:
    data = {"removed": ["a", "b"], "kept": 3, "dry_run": False}
    assert summary(Result(verb="prune", data=data)) == ["2 archives removed, 3 kept"]
    (line,) = summary(Result(verb="prune", data={**data, "dry_run": True}))
    assert line.startswith("dry run: 2 archives would go, 3 stay")
    checked = {"verify_data": False, "archives": 3, "verified": 2}
    (line,) = summary(Result(verb="check", data=checked))
    assert line == "whole: 3 archives, 2 of them verified; data not read"
