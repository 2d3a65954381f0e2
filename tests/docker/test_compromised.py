"""A client that was taken over, with the way to `borg serve` open: what it tries, and what is left.

tests/support/evil.py is its borg. It has real borg's code, the passphrase, and the way in; it is
asked for one thing after the other, and may make an honest archive after all.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.docker.test_errors import assert_error
from tests.support.copies import copied
from tests.support.lab import ROOT, Client, Completed, Lab, docker

pytestmark = [pytest.mark.docker, pytest.mark.timeout(300)]
OWNER = 1000  # of the laboratory: the sidecars are not root
INSTALLED = True  # clients have borg: how it gets there is tested elsewhere

METHODS = ("pipe", "socat", "agent", "forward")
OTHER = "somebody-else"


@pytest.fixture(scope="module")
def machine(lab: Lab) -> Client:
    client = lab.client("borgpull-borg12-client", SEED="0")
    docker("cp", str(ROOT / "tests/support/evil.py"), f"{client.name}:/usr/local/bin/evil")
    client.exec("sh", "-c", "chmod 755 /usr/local/bin/evil; echo worth keeping >/srv/data/a")
    backup(lab, client, "pipe", OTHER, "theirs")
    return client


@pytest.fixture(scope="module")
def made(lab: Lab, machine: Client) -> str:
    """The name of a client with the archive `old`."""
    backup(lab, machine, "pipe", "made", "old")
    return "made"


@pytest.fixture
def name(request: pytest.FixtureRequest) -> str:
    """A client's name, and so a repository, of this test's own."""
    return re.sub(r"\W+", "-", request.node.name).strip("-")


@pytest.fixture
def old(lab: Lab, made: str, name: str) -> None:
    """The test's own client has it."""
    copied(lab, made, name)


def run(
    lab: Lab, machine: Client, method: str, name: str, archive: str, borg: str, *more: str
) -> Completed:
    words = ["--init", "--client-borg", borg, "--name", name, "--archive", archive, *more]
    return lab.plain(method, *words, machine.address, "/srv/data")


def backup(lab: Lab, machine: Client, method: str, name: str, archive: str) -> None:
    done = run(lab, machine, method, name, archive, "/usr/bin/borg")
    assert done.rc == 0, done.stderr


def attack(
    lab: Lab,
    machine: Client,
    method: str,
    name: str,
    *create: str,
    rename: tuple[str, ...] | None = None,
    lie: dict[str, Any] | None = None,
    options: tuple[str, ...] = (),
) -> tuple[Completed, dict[str, str]]:
    """A run for an archive `new`, and what came of each attempt.

    The client renames archives itself if its borg says that it is new enough.
    """
    version = "1.2.4" if rename is None else "1.2.8"
    plan = {"own": f"/repo/{name}", "other": f"/repo/{OTHER}", "lie": lie, "version": version}
    text = json.dumps({**plan, "create": create, "rename": rename})
    machine.exec("sh", "-c", f"rm -f /srv/control/log; echo '{text}' >/srv/control/plan")
    done = run(lab, machine, method, name, "new", "/usr/local/bin/evil", *options)
    log = machine.exec("sh", "-c", "cat /srv/control/log || true")
    return done, dict(json.loads(line) for line in log.splitlines())


def files(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def names(lab: Lab, client: str) -> set[str]:
    return set(lab.borg(client, "list", "--short", "--consider-checkpoints", "::").split())


def roll_back(repository: Path, good: int) -> None:
    """The recipe of docs/security.md, up to borg's own state: lab.borg has none."""
    for path in [*(repository / "data").rglob("[0-9]*")]:
        if path.is_file() and int(path.name) > good:
            path.unlink()
    for kind in ("index", "hints", "integrity"):
        for path in repository.glob(f"{kind}.*"):
            path.unlink()


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.usefixtures("old")
def test_what_it_tries_is_refused_or_undone(
    lab: Lab, machine: Client, method: str, name: str
) -> None:
    repository, others = lab.repo / name, files(lab.repo / OTHER)
    good = max(int(path.suffix[1:]) for path in repository.glob("index.*"))
    folders = set(lab.repo.iterdir())
    user = ("other_user",) if method == "socat" else ()

    # Its own archives are deleted, which borg allows: the run says so, though its own is good.
    done, log = attack(lab, machine, method, name, *user, "refused", "vandal", "honest")
    for place in ("other", "above", "home", "up"):
        for way in ("open", "make"):
            assert log[f"{way} {place}"].startswith("PathNotAllowed"), log
    assert log["make below"].startswith("PathNotAllowed"), log
    assert log["make own"].startswith("AlreadyExists"), log
    for call in ("destroy", "repair"):
        assert "is in append-only mode" in log[call], log
    for call in ("save_config", "compact_segments", "__init__", "__class__", "close"):
        assert "InvalidRPCMethod" in log[f"call {call}"], log
    assert log["vandal"] == "0"
    if user:
        assert log["other user"].startswith("1 0o600"), log
        assert "0o40700" in log["other user"], log
        assert "PermissionError" in log["other user"], log
    assert_error(done, 65, "archive new is verified", "vanished: old")
    assert "new" in names(lab, name)

    # Its key cannot be overwritten.
    config = (repository / "config").read_bytes()
    done, log = attack(lab, machine, method, name, "key", "honest", options=("--archive", "newer"))
    assert log["key"].startswith("done"), log
    assert_error(done, 66, "changed config")
    assert (repository / "config").read_bytes() == config
    assert "newer" not in names(lab, name)
    assert not [*repository.glob("lock.*")]

    assert files(lab.repo / OTHER) == others
    assert set(lab.repo.iterdir()) == folders
    roll_back(repository, good)
    assert lab.borg(name, "extract", "--stdout", "::old", "srv/data/a") == "worth keeping\n"


@pytest.mark.usefixtures("old")
def test_its_key_gets_borg_serve_and_nothing_else(lab: Lab, machine: Client, name: str) -> None:
    """By agent; the key of forward is in a file there, for the same sshd."""
    others = files(lab.repo / OTHER)
    done, log = attack(lab, machine, "agent", name, "shell", "stock", "honest")
    for way in ("command", "pty", "sftp", "stdio", "remote", "local", "root"):
        assert "uid=" not in log[way] and "root:" not in log[way] and "SSH-" not in log[way], log
    assert "usage: borg" in log["command"], log
    assert "PTY allocation request failed" in log["pty"], log
    assert "subsystem request failed" in log["sftp"], log
    assert "administratively prohibited" in log["stdio"] + log["local"], log
    assert "remote port forwarding failed" in log["remote"], log
    assert "Permission denied (publickey)" in log["root"], log

    assert log["list own"].startswith("0 old "), log
    for way in ("list", "info", "create", "delete", "break-lock"):
        assert re.match(r"2 .*Repository path not allowed", log[f"{way} other"], re.S), log
    assert "Repository path not allowed" in log["init new"], log
    for way in ("delete own", "repair own"):
        assert re.match(r"2 .*append-only", log[way], re.S), log
    assert log["delete old"].startswith("0 "), log
    assert log["compact own"].startswith("0 "), log
    assert_error(done, 65, "archive new is verified", "vanished: old")
    assert files(lab.repo / OTHER) == others


@pytest.mark.usefixtures("old")
def test_it_comes_back_when_its_borg_has_ended(lab: Lab, machine: Client, name: str) -> None:
    """The way is open until the end of the run: until then the key is watched."""
    config = (lab.repo / name / "config").read_bytes()
    done, log = attack(lab, machine, "agent", name, "honest", "late_key")
    assert_error(done, 66, "changed config")
    assert log["late"] == "done"
    assert (lab.repo / name / "config").read_bytes() == config
    backup(lab, machine, "agent", name, "after")


@pytest.mark.usefixtures("old")
def test_it_lies(lab: Lab, machine: Client, name: str) -> None:
    """Another archive than the one that was ordered never counts, whatever it says."""
    old = json.loads(lab.borg(name, "list", "--json", "::"))["archives"][0]
    lies = (("socat", old, "old"), ("pipe", {**old, "name": "new.unverified-1"}, ""))
    for method, lie, said in lies:
        done, _ = attack(lab, machine, method, name, "lie", lie=lie)
        assert_error(done, 67, f"does not have the archive {said}")
    done, _ = attack(lab, machine, "pipe", name, "honest", rename=())
    assert_error(done, 67, "does not have the archive new")
    assert names(lab, name) > {"old"}
    assert "new" not in names(lab, name)
    done, _ = attack(lab, machine, "pipe", name, "honest", rename=("vandal",))
    assert_error(done, 67, "does not have the archive new")
    data = lab.plain("list", "--json", name).result["data"]
    assert (data["archives"], [item["name"] for item in data["vanished"]]) == ([], ["old"])


@pytest.mark.parametrize("method", ["pipe", "socat"])
def test_its_borg_rename_starts_early_and_waits(
    lab: Lab, machine: Client, name: str, method: str
) -> None:
    """An archive without its verification has no name: `borg rename` is there, and gets nowhere.

    Once it is verified, this borg renames it: a real 1.2.4, which leaves an archive that nobody can
    open (its authentication is of the old name). So it is opened once under its name.
    """
    rename = ("begun", "honest")
    done, log = attack(lab, machine, method, name, "honest", "linger", "fail", rename=rename)
    assert done.rc == 49, done.stderr
    assert log == {"begun": "rename"}
    (found,) = names(lab, name)
    assert found.startswith("new.unverified-")
    assert not [*(lab.repo / name).glob("lock.exclusive/*")]
    done, log = attack(lab, machine, method, name, "honest", rename=rename)
    assert log == {"begun": "rename"}
    assert_error(done, 56, "Archive authentication did not verify")
    assert "new" in names(lab, name)
    listed = lab.plain("list", "--json", name).result["data"]["archives"]
    assert not any(item["verified"] for item in listed)


@pytest.mark.usefixtures("old")
def test_it_gives_archives_another_time(lab: Lab, machine: Client, name: str) -> None:
    """`latest` and `prune` go by the list's times: neither a new archive nor an old one is believed
    to be of another time than this server's."""
    done, _ = attack(lab, machine, "pipe", name, "later", "honest")
    assert_error(done, 67, "gave archive new.unverified-", "2031-01-01")
    done, log = attack(lab, machine, "pipe", name, "retime", "honest")
    assert log["retime"] == "done"
    assert_error(done, 65, "archive new is verified", "vanished: old")
    data = lab.plain("info", "--json", name).result["data"]["archives"]
    assert (data["latest"], data["verified"], data["strangers"]) == ("new", 1, 1)
    assert lab.plain("borg", name, "--", "prune", "--keep-last", "1").rc == 68
    assert names(lab, name) >= {"old", "new"}


def test_it_talks_nonsense(lab: Lab, machine: Client, name: str) -> None:
    old = {"name": "x", "id": "0"}
    done, _ = attack(lab, machine, "pipe", name, "garbage", lie=old)
    assert (done.rc, "Traceback" in done.stderr) == (67, False), done.stderr
    assert "\x1b" not in done.stderr + done.stdout


@pytest.mark.usefixtures("old")
def test_it_hides_archives_as_unverified_ones(lab: Lab, machine: Client, name: str) -> None:
    """What the server would sweep away: not while archives are missing."""
    done, log = attack(lab, machine, "forward", name, "hide", "honest")
    assert log["hide"] == "['old.unverified-1']"
    assert_error(done, 65, "vanished: old")
    assert names(lab, name) == {"old.unverified-1", "new"}
    # Only what was there at its start would a run sweep away: the second one is the proof.
    done = run(lab, machine, "pipe", name, "newest", "/usr/bin/borg")
    assert_error(done, 65, "vanished: old")
    assert "old.unverified-1" in names(lab, name)


@pytest.mark.usefixtures("old")
def test_it_gives_an_archive_a_second_name(lab: Lab, machine: Client, name: str) -> None:
    """To sweep that away, or to delete it, would take the chunks of the good one along."""
    done, log = attack(lab, machine, "forward", name, "alias", "honest")
    assert log["alias"] == "['old', 'old.unverified-1']"
    assert done.rc == 0, done.stderr
    backup(lab, machine, "pipe", name, "newest")
    assert names(lab, name) == {"old", "old.unverified-1", "new", "newest"}
    for words in (("borg", name, "--", "compact"), ("borg", name, "--", "delete", "::old")):
        assert_error(lab.plain(*words), 68, "old.unverified-1")
    assert_error(lab.plain("prune", name, "--keep-last", "1"), 68, "old.unverified-1")
    assert_error(lab.plain("acknowledge", name, "--adopt", "old.unverified-1"), 2)

    done = lab.plain("acknowledge", name, "--delete", "old.unverified-1")
    assert done.rc == 0, done.stderr
    assert names(lab, name) == {"old", "new", "newest"}
    done = lab.plain("check", name)
    assert done.rc == 0, done.stderr
    listed = lab.plain("list", "--json", name).result["data"]["archives"]
    assert all(item["verified"] for item in listed)
