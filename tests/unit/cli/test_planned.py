"""A job for another program to run: read as on the command line, as in the container."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from borgpull.cli.planned import read
from borgpull.errors import BorgpullError, InvalidHost, UsageError
from borgpull.jobs import Backup, Check, Prune
from borgpull.places import Places
from borgpull.verbs import VERBS


def test_the_words_mean_what_they_mean_to_the_command() -> None:
    job = read(["pipe", "root@web1:2222", "/etc", "/home", "--exclude", "sh:**/*.tmp", "--init"])
    assert isinstance(job, Backup)
    assert (job.client, job.paths, job.init) == ("web1", ("/etc", "/home"), True)
    assert job.exclude == ("sh:**/*.tmp",)
    assert job.access.target.port == 2222
    assert job.places == Places(), "the container's"
    prune = read(["prune", "web1", "--keep-daily", "14", "--lock-wait", "9"])
    assert isinstance(prune, Prune)
    assert (prune.keep.daily, prune.lock_wait) == (14, 9)
    assert isinstance(read(["check", "web1", "--verify-data"]), Check)


def test_neither_variables_nor_a_configuration_of_this_user_count(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / ".ssh").mkdir()
    (tmp_path / ".ssh/config").write_text("Host web1\n  HostName other\n  User nobody\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("BORGPULL_COMPRESSION", "zstd,3")
    monkeypatch.setenv("BORGPULL_REPO", "/elsewhere")
    before = dict(os.environ)
    job = read(["pipe", "web1"])
    assert isinstance(job, Backup)
    assert (job.compression, job.access.target.host, job.places) == ("lz4", "web1", Places())
    assert dict(os.environ) == before


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "missing argument"),
        (["list", "web1"], "not a command to run unattended"),
        (["nonsense"], "not a command to run unattended"),
        (["pipe"], "missing argument"),
        (["pipe", "--help"], "ask for help"),
        (["pipe", "web1", "relative"], "absolute"),
        (["pipe", "web1", "--nonsense"], "no such option"),
        (["pipe", "web1", "--repo", "/srv"], "for the renderer to know"),
        (["pipe", "web1", "--ssh-key", "/etc/passwd"], "for the renderer to know"),
        (["pipe", "web1", "--image", "other"], "for the renderer to know"),
        (["pipe", "web1", "--launcher", "here"], "for the renderer to know"),
        (["pipe", "web1", "--exclude-from", "/dev/null"], "no such file"),
        (["pipe", "web1", "--exclude-from=/dev/null"], "no such file"),
        (["socat", "web1", "--serve-only"], "not to be run unattended"),
        (["prune", "web1"], "to be kept"),
    ],
)
def test_what_is_refused(words: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    from borgpull.cli.app import app

    with pytest.raises(SystemExit) as end:
        app(["render", "compose", "--name", "x", "--", *words])
    out, err = capsys.readouterr()
    assert (end.value.code, out) == (2, ""), err
    assert said in err


def test_a_host_that_is_an_option() -> None:
    with pytest.raises(InvalidHost):
        read(["pipe", "-oProxyCommand=x"])


@pytest.mark.parametrize("verb", [name for name, row in VERBS.items() if not row.unattended])
def test_only_what_needs_nobody(verb: str) -> None:
    with pytest.raises(UsageError, match="unattended"):
        read([verb, "web1"])


def test_every_row_that_may_run_unattended_has_a_command() -> None:
    for name in (name for name, row in VERBS.items() if row.unattended):
        words = [name, "web1", "--keep-daily", "1"] if name == "prune" else [name, "web1"]
        try:
            assert read(words).verb == name
        except BorgpullError as error:
            pytest.fail(f"{name}: {error}")
