"""A list of jobs: each line as on the command line, and an error tells which."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from borgpull.cli.joblist import jobs, split
from borgpull.errors import BorgpullError, ConfigError, UsageError
from borgpull.jobs import Backup


def test_lines_are_split_as_a_shell_does(tmp_path: Path) -> None:
    path = tmp_path / "jobs"
    path.write_text(
        "\n# a comment\n  pipe root@web1 '/a b' /c\\ d # more\nprune web1 --keep-last 1\n"
    )
    (words, job), (_, prune) = jobs(str(path))
    assert words == ["pipe", "root@web1", "/a b", "/c d"]
    assert isinstance(job, Backup) and job.paths == ("/a b", "/c d")
    assert prune.verb == "prune"


@pytest.mark.parametrize("end", ["", "  # end", "#end", " # it's", ' # "', "\r"])
def test_a_comment_begins_where_a_word_does(tmp_path: Path, end: str) -> None:
    """Otherwise a path would be cut short, and those behind it lost, without a word."""
    path = tmp_path / "jobs"
    path.write_text(f"pipe root@web1 /srv/C#more /a\\#b '/c #d'#e /home{end}\n#\n")
    ((words, job),) = jobs(str(path))
    last = "/home#end" if end == "#end" else "/home"
    assert words == ["pipe", "root@web1", "/srv/C#more", "/a#b", "/c #d#e", last]
    assert isinstance(job, Backup) and job.paths == tuple(words[2:])


@settings(max_examples=150, deadline=None)
@given(st.text("ab\u00a0 #'\"\\\t/-=", max_size=14))
@example("a#b c")
@example("'a'#b \\# #c")
def test_a_line_is_split_as_by_a_shell(line: str) -> None:
    done = subprocess.run(
        ["sh", "-c", f"set -- {line}\nfor word; do printf '%s\\0' \"$word\"; done"],
        capture_output=True,
        check=False,
    )
    assume(not done.stderr and not line.endswith("\\"))  # that line would go on
    try:
        found = split(line)
    except UsageError as error:
        assert "No closing quotation" in error.message
    else:
        assert "".join(f"{word}\0" for word in found) == done.stdout.decode()


@pytest.mark.parametrize(
    "line",
    [
        "list web1",
        "pipe",
        "pipe root@web1 etc",
        "pipe root@web1 --repo /elsewhere",
        "pipe root@web1 --no-such",
        "pipe root@web1 '/etc",
        "pipe -oProxyCommand=x",
        "prune web1",
    ],
)
def test_an_error_has_the_number_of_its_line(tmp_path: Path, line: str) -> None:
    path = tmp_path / "jobs"
    path.write_text(f"pipe root@web0\n\n{line}\n")
    with pytest.raises(BorgpullError) as found:
        list(jobs(str(path)))
    assert found.value.message.startswith(f"{path}:3: ")


def test_a_list_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "bytes").write_bytes(b"\xff")
    for name in ("none", "bytes", "."):
        with pytest.raises(ConfigError):
            list(jobs(str(tmp_path / name)))
