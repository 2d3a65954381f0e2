"""A list of jobs: each line as on the command line, and an error tells which."""

from __future__ import annotations

from pathlib import Path

import pytest

from borgpull.cli.joblist import jobs
from borgpull.errors import BorgpullError, ConfigError
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
