"""Who looks while a backup runs, whose clock counts, and a repository put back from a copy."""

from __future__ import annotations

import functools
import shutil
import subprocess
import time
from datetime import UTC, datetime

import pytest

from tests.docker.test_errors import assert_error
from tests.support.lab import Client, Completed, Lab

pytestmark = [pytest.mark.docker, pytest.mark.timeout(600)]
OWNER = 1000  # of the laboratory: the sidecars are not root
INSTALLED = True  # clients have borg: how it gets there is tested elsewhere

# borg 1.2 of Debian on a machine whose clock is years ahead.
SKEWED = """#!/usr/bin/python3
import datetime, sys
class Ahead(datetime.datetime):
    @classmethod
    def utcnow(cls):
        return datetime.datetime.utcnow() + datetime.timedelta(days=2000)
import borg.archive
borg.archive.datetime = Ahead
from borg.archiver import main
sys.argv[0] = "borg"
sys.exit(main())
"""
DATE = '#!/bin/sh\n[ "$*" = +%s ] || exec /bin/date "$@"\nexec /bin/date -d "+2000 days" +%s\n'
BORG = "/usr/local/bin/borg-ahead"


@pytest.fixture(scope="module")
def client(lab: Lab) -> Client:
    client = lab.client("borgpull-borg12-client", SEED="0")
    for path, text in ((BORG, SKEWED), ("/usr/local/bin/date", DATE)):
        client.exec("sh", "-c", 'printf %s "$2" >"$1"; chmod 755 "$1"', "sh", path, text)
    script = "mkdir -p /srv/a /srv/many; echo x >/srv/a/x; cd /srv/many; seq 6000 | xargs -n1 touch"
    client.exec("sh", "-c", script.replace("xargs -n1", "xargs"))
    return client


def let_in(lab: Lab, client: Client, line: str) -> None:
    files = "/etc/ssh/authorized_keys/root /root/.ssh/authorized_keys"
    script = f'for file in {files}; do [ ! -e $file ] || printf "%s\\n" "$1" >$file; done'
    client.exec("sh", "-c", script, "sh", line)


def listed(lab: Lab, name: str) -> list[tuple[str, float]]:
    """Names, oldest first, and how long ago they were made."""
    found = lab.plain("list", "--json", name).result["data"]["archives"]
    return [
        (item["name"], time.time() - datetime.fromisoformat(item["time"]).timestamp())
        for item in found
    ]


def made(lab: Lab, client: Client, name: str, archive: str, *words: str) -> Completed:
    words = ("--name", name, "--archive", archive, *words)
    done = lab.plain("pipe", "--init", *words, client.address, "/srv/a")
    assert done.rc == 0, done.stderr
    return done


def test_the_clock_of_the_server_counts(lab: Lab, client: Client) -> None:
    first = made(lab, client, "clock", "first", "--client-borg", BORG)
    assert "s ahead of this server's\n" in first.stderr
    made(lab, client, "clock", "second")
    (one, one_age), (two, two_age) = listed(lab, "clock")
    assert (one, two) == ("first", "second")
    assert 0 <= two_age <= one_age < 120
    info = lab.plain("info", "--json", "clock").result["data"]
    assert info["archives"]["latest"] == "second"
    assert datetime.fromisoformat(info["repository"]["last_modified"]).utcoffset() is not None
    done = lab.plain("list", "clock", options=["-e", "TZ=Asia/Tokyo"])
    today = datetime.now(UTC)
    assert done.stdout.count("+09:00") == 2, done.stdout
    assert str(today.year) in done.stdout


def test_the_clock_of_the_server_counts_for_a_forced_command(lab: Lab, client: Client) -> None:
    done = lab.plain("authorize", client.name, "/srv/a", "--client-borg", BORG)
    assert done.rc == 0, done.stderr
    line = done.stdout.rstrip("\n")
    key = client.exec("sh", "-c", "cat /etc/ssh/authorized_keys/root /root/.ssh/authorized_keys||:")
    try:
        let_in(lab, client, line)
        words = ("--init", "--archive")
        done = lab.plain("pipe", *words, "new-line", client.address, "/srv/a")
        assert (done.rc, "ahead of this server" in done.stderr) == (0, True), done.stderr
        assert "authorize" not in done.stderr
        ((name, age),) = listed(lab, client.name)
        assert (name, 0 <= age < 120) == ("new-line", True)

        let_in(lab, client, before_it_knew_of_times(line))
        done = lab.plain("pipe", *words, "old-line", client.address, "/srv/a")
        assert done.rc == 67, done.stderr  # its clock is wrong
        assert "borgpull authorize" in done.stderr
        names = [name for name, _ in listed(lab, client.name) if "unverified" not in name]
        assert names == ["new-line"]
    finally:
        let_in(lab, client, key.splitlines()[0])


def before_it_knew_of_times(line: str) -> str:
    """The line as the version before made it."""
    for new, old in (
        ("|borgpull-timed", ""),
        (r"borgpull-time %s\nborgpull-knows timed\n", ""),
        (" $(date +%s)", ""),
        ("t=; case $v in *timed) read -r t;; esac; ", ""),
        ("*create|*timed)", "*create)"),
        (" ${t:+--timestamp=$t}", ""),
    ):
        assert line.count(new) == 1, new
        line = line.replace(new, old)
    return line


def test_who_looks_need_not_wait_for_a_backup(lab: Lab, client: Client) -> None:
    name = "looking"
    words = ("--init", "--name", name, client.address)
    done = lab.sidecar("sshfs", *words, "/srv/a")
    assert done.rc == 0, done.stderr
    archive = listed_as_root(lab, name)
    run = lab.start_sidecar("sshfs", *words, "/srv/many")
    lock = lab.repo / name / "lock.exclusive"
    deadline = time.monotonic() + 60
    while not lock.exists() and run.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)
    looked = 0
    for verb, *rest in (
        ("list", name),
        ("list", name, archive),
        ("info", name),
        ("find", name, "x"),
        ("browse", name, archive, "--path", "/srv"),
        ("diff", name, archive, archive),
    ):
        started = time.monotonic()
        done = lab.sidecar(verb, *rest, rung="none")
        assert done.rc == 0, f"{verb}: {done.stdout} {done.stderr}"
        assert time.monotonic() - started < 30, verb
        looked += run.poll() is None
    assert looked >= 2, "the backup was too short"
    assert run.wait(200) == 0, run.output()


def listed_as_root(lab: Lab, name: str) -> str:
    done = lab.sidecar("list", "--json", name, rung="none")
    assert done.rc == 0, done.stderr
    return str(done.result["data"]["archives"][0]["name"])


@pytest.mark.parametrize("method", ["pipe", "sshfs"])
def test_a_repository_put_back_from_an_older_copy(lab: Lab, client: Client, method: str) -> None:
    name = f"older-{method}"
    repository, copy = lab.repo / name, lab.folder / name
    start = functools.partial(lab.sidecar, rung="userns" if method == "sshfs" else "none")
    words = (method, "--init", "--name", name, client.address, "/srv/a")
    for _ in range(2):
        done = start(*words, "--archive", f"a{_}")
        assert done.rc == 0, done.stderr
        if not copy.exists():
            subprocess.run(["cp", "-a", str(repository), str(copy)], check=True)
    shutil.rmtree(repository)
    subprocess.run(["cp", "-a", str(copy), str(repository)], check=True)
    assert_error(start(*words, "--archive", "a2"), 65, name)
    names = lab.borg(name, "list", "--short", "--consider-checkpoints", "::").split()
    assert names == ["a0"], "something was written"
