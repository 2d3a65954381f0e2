"""The options of stream alone, as words become parts of a job."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from borgpull.cli.app import app
from borgpull.cli.sparing import Sparing
from borgpull.errors import UsageError
from borgpull.jobs import Skips


@pytest.mark.parametrize(
    ("text", "number"), [("500", 512_000), ("1k", 1024), ("2M", 2 << 20), ("1G", 1 << 30)]
)
def test_a_rate_is_as_rsync_has_it(text: str, number: int) -> None:
    assert Sparing(limit_rate=text).rate() == number


@pytest.mark.parametrize("text", ["", "0", "0M", "-1", "1.5M", "2MB", "fast", "٣"])
def test_what_is_no_rate(text: str) -> None:
    with pytest.raises(UsageError):
        Sparing(limit_rate=text).rate()


@pytest.mark.parametrize("tag", ["", ".", "..", "a/b", "/etc", "a\0"])
def test_a_tag_is_a_name(tag: str) -> None:
    with pytest.raises(UsageError):
        Skips(tags=(tag,))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["stream", "web1", "--keep-exclude-tags"], "--exclude-caches"),
        (["stream", "web1", "--reader", "sftp", "--exclude-caches"], "SFTP cannot look"),
        (["stream", "web1", "--reader", "sftp", "--one-file-system"], "SFTP cannot look"),
        (["stream", "web1", "--reader", "find", "--compress-link", "on"], "find cannot pack"),
        (["stream", "web1", "--reader", "sftp", "--compress-link", "on"], "SFTP cannot pack"),
        (["stream", "web1", "--compress-link", "much"], "auto, on, off"),
        (["pipe", "web1", "--compress-link", "on"], "no such option"),
        (["pipe", "web1", "--exclude-caches"], "no such option"),
    ],
)
def test_what_is_refused(words: list[str], said: str) -> None:
    done = CliRunner().invoke(app, words)
    assert (done.exit_code, said in done.output) == (2, True), done.output
