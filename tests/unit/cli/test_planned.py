"""A job for another program to run: read as on the command line, as in the container."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from borgpull.cli.planned import read
from borgpull.errors import BorgpullError, InvalidHost, UsageError
from borgpull.jobs import Backup, Check, Drill, Prune
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
        (["drill", "web1", "--scratch", "/scratch2"], "for the renderer to know"),
        (["drill", "web1", "--memory", "2G"], "for the renderer to know"),
        (["drill", "web1", "--report", "/report"], "for the renderer to know"),
        (["drill", "web1", "--report=/report"], "for the renderer to know"),
        (["drill", "web1", "--sample", "2/3"], "is no share"),
        (["drill", "web1", "--sample", "1/3", "--check", "a=true"], "--sample runs no check"),
    ],
)
def test_what_is_refused(words: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    from borgpull.cli.app import app

    with pytest.raises(SystemExit) as end:
        app(["render", "compose", "--name", "x", "--", *words])
    out, err = capsys.readouterr()
    assert (end.value.code, out) == (2, ""), err
    assert said in err


def test_a_file_of_checks_is_nowhere_in_the_container(tmp_path: Path) -> None:
    file = tmp_path / "checks.yaml"
    file.write_text("- name: sshd\n  run: sshd -t\n")
    with pytest.raises(UsageError, match="no file of checks"):
        read(["drill", "web1", "--check", str(file)])
    for words in (["--check", "sshd=sshd -t"], ["--check=sshd=sshd -t"]):
        job = read(["drill", "web1", *words])
        assert isinstance(job, Drill)
        assert [(check.name, check.run) for check in job.checks] == [("sshd", "sshd -t")]
        assert job.scratch == ""


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


FORMS = {
    "systemd": "--check",
    "quadlet": "--check",
    "compose": "--check",
    "kube": "--checks",
}


@pytest.mark.parametrize("form", FORMS)
def test_a_check_in_an_image_is_refused_where_it_could_never_run(
    form: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whatever is rendered runs `drill` in a container, and not the command of the host."""
    from borgpull.cli.app import app

    file = tmp_path / "checks.yaml"
    found = []
    for image in ("  image: postgres:17\n", ""):
        file.write_text(f"- name: dump\n  run: 'true'\n{image}")
        with pytest.raises(SystemExit) as end:
            app(["render", form, "--name", "x", FORMS[form], str(file), "--", "drill", "web1"])
        found.append((end.value.code or 0, *capsys.readouterr()))
    (refused, out, err), (taken, text, _) = found
    assert (refused, out, taken) == (2, "", 0)
    assert "the check 'dump' has an image" in err
    assert "on a host by cron" in err
    assert "drill" in text


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("how", ["a file", "a command", "a word after the dashes"])
def test_checks_that_would_never_run_are_refused(
    form: str, how: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from borgpull.cli.app import app

    if (form, how) == ("kube", "a command"):
        return  # its --checks takes a file only
    file = tmp_path / "checks.yaml"
    file.write_text("- name: dump\n  run: 'true'\n")
    before = {"a file": [FORMS[form], str(file)], "a command": [FORMS[form], "dump=true"]}
    after = ["--check", "dump=true"] if how == "a word after the dashes" else []
    found, part = [], ["--sample", "1/14"]
    for more in ([], ["--sample", "1/1"], [*part, "--full"], ["--how", "numeric"], part):
        words = [*before.get(how, []), "--", "drill", "web1", *after, *more]
        with pytest.raises(SystemExit) as end:
            app(["render", form, "--name", "x", *words])
        found.append((end.value.code or 0, *capsys.readouterr()))
    assert [code for code, _, _ in found] == [0, 0, 0, 2, 2]
    _, out, err = found[-1]
    assert (out, err.count("--sample runs no check")) == ("", 1)


def test_a_file_of_checks_may_be_on_another_machine() -> None:
    words = ["--check", "/etc/not-here/checks.yaml"]
    from borgpull.cli.app import app

    with pytest.raises(SystemExit) as end:
        app(["render", "compose", "--name", "x", *words, "--", "drill", "web1"])
    assert not end.value.code
