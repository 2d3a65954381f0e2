"""A client that borg lets in deletes archives, or the key: it is noticed, and stays recoverable."""

from __future__ import annotations

import functools
import json
import re
import subprocess
import time
from collections.abc import Sequence

import pytest

from borgpull.borg.subcommand import CHANGING, LOOKING
from tests.support import lab as laboratory
from tests.support.copies import copied
from tests.support.lab import TIMEOUT, Client, Completed, Lab, docker

pytestmark = [pytest.mark.docker, pytest.mark.timeout(300)]
INSTALLED = True  # clients have borg: how it gets there is tested elsewhere


@pytest.fixture(scope="module")
def machine(lab: Lab) -> Client:
    return lab.client(MANY="20")


@pytest.fixture
def client(lab: Lab, machine: Client, request: pytest.FixtureRequest) -> str:
    """A client's name, and so a repository, of this test's own."""
    return re.sub(r"\W", "-", request.node.name)


@pytest.fixture(scope="module")
def pair(lab: Lab, machine: Client) -> str:
    """The name of a client with the archives `a` and `b`."""
    backups(lab, machine, "pair", "a", "b")
    return "pair"


@pytest.fixture
def a_and_b(lab: Lab, pair: str, client: str) -> None:
    """The test's own client has them."""
    copied(lab, pair, client)


def backup(lab: Lab, machine: Client, client: str, archive: str) -> Completed:
    words = ("--init", "--name", client, "--archive", archive, machine.address, "/etc/ssh")
    return lab.sidecar("sshfs", *words)


def backups(lab: Lab, machine: Client, client: str, *names: str) -> None:
    for name in names:
        done = backup(lab, machine, client, name)
        assert done.rc == 0, done.stderr


def stock(lab: Lab, client: str, *words: str) -> Completed:
    return lab.sidecar("borg", client, "--", *words, rung="none")


def listed(lab: Lab, client: str) -> tuple[list[str], list[str]]:
    """The names of what there is, and of what has vanished."""
    data = lab.sidecar("list", "--json", client, rung="none").result["data"]
    there, lost = ([item["name"] for item in data[key]] for key in ("archives", "vanished"))
    return there, lost


@functools.cache
def hostile_machine(lab: Lab) -> str:
    """A container that has what such a client has; started once."""
    name = f"hostile-{lab.id}"
    run = ["run", "-d", "--init", "--name", name, "--label", lab.label]
    for there in (f"{lab.repo}:/repo", f"{lab.state}:/state"):
        run += ["-v", there]
    run += ["-v", f"{lab.key.parent}/passphrase:/run/secrets/passphrase"]
    docker(*run, "--entrypoint", "sleep", laboratory.IMAGE, "infinity")
    return name


def from_the_client(lab: Lab, client: str, argv: Sequence[str]) -> Completed:
    """A command that reaches the repository, and knows its passphrase, as a client in a session."""
    serve = f"borg serve --append-only --restrict-to-repository /repo/{client}"
    script = (
        "exec 5< /run/secrets/passphrase; export BORG_PASSPHRASE_FD=5 BORG_BASE_DIR=$(mktemp -d)\n"
        'exec "$@"'
    )
    run = ["docker", "exec", "-e", f"BORG_RSH=sh -c 'exec {serve}'"]
    run += ["-e", f"BORG_REPO=ssh://x/repo/{client}", hostile_machine(lab)]
    run += ["bash", "-c", script, "sh", *argv]
    done = subprocess.run(run, capture_output=True, text=True, timeout=TIMEOUT, check=False)
    return Completed(done.returncode, done.stdout, done.stderr)


def hostile_borg(lab: Lab, client: str, *words: str) -> None:
    done = from_the_client(lab, client, ["borg", *words])
    assert done.rc == 0, done.stderr


@pytest.mark.usefixtures("a_and_b")
def test_deleted_by_the_client(lab: Lab, machine: Client, client: str) -> None:
    hostile_borg(lab, client, "delete", "::a")
    assert listed(lab, client) == (["b"], ["a"])
    assert re.search(r"^a .* VANISHED$", lab.sidecar("list", client, rung="none").stdout, re.M)
    assert ", 1 VANISHED" in lab.sidecar("info", client, rung="none").stdout

    for name in ("c", "d"):  # until somebody has looked
        done = backup(lab, machine, client, name)
        assert done.rc == 65, done.stderr
        assert f"archive {name} is verified" in done.stderr
        assert "have vanished: a\nhint: " in done.stderr
    assert listed(lab, client) == (["b", "c", "d"], ["a"])

    segments = sorted((lab.repo / client / "data").rglob("[0-9]*"))
    for words in (["compact"], ["--lock-wait", "9", "-p", "compact"], ["delete", "--forc"]):
        done = stock(lab, client, *words)
        assert (done.rc, "nothing is freed" in done.stderr) == (65, True), done.stderr
    assert sorted((lab.repo / client / "data").rglob("[0-9]*")) == segments

    done = lab.sidecar("acknowledge", "--json", client, rung="none")
    assert done.rc == 0, done.stdout + done.stderr
    assert [row["name"] for row in done.result["data"]["acknowledged"]] == ["a"]
    done = lab.sidecar("acknowledge", client, rung="none")
    assert (done.rc, done.stdout) == (0, "nothing has vanished\n")
    assert stock(lab, client, "compact").rc == 0
    backups(lab, machine, client, "e")
    assert listed(lab, client) == (["b", "c", "d", "e"], [])


@pytest.mark.usefixtures("a_and_b")
def test_replaced_by_the_client(lab: Lab, machine: Client, client: str) -> None:
    """Another archive under the name of the lost one does not hide it."""
    hostile_borg(lab, client, "delete", "::a")
    hostile_borg(lab, client, "rename", "::b", "a")
    assert listed(lab, client) == (["a"], ["a", "b"])
    assert "another has its name" in lab.sidecar("list", client, rung="none").stdout


@pytest.mark.usefixtures("a_and_b")
def test_rolled_back(lab: Lab, machine: Client, client: str) -> None:
    """The recipe of docs/security.md: what was deleted is there again, and nothing is amiss."""
    repository = lab.repo / client
    good = max(int(path.suffix[1:]) for path in repository.glob("index.*"))
    hostile_borg(lab, client, "delete", "::a")
    assert listed(lab, client) == (["b"], ["a"])  # and borg has seen the newer manifest
    for path in [*(repository / "data").rglob("[0-9]*")]:
        if path.is_file() and int(path.name) > good:
            path.unlink()
    for name in ("index", "hints", "integrity"):
        for path in repository.glob(f"{name}.*"):
            path.unlink()
    security = lab.state / "clients" / client / "borg" / "security"
    for path in security.rglob("manifest-timestamp"):
        path.unlink()
    assert stock(lab, client, "delete", "--cache-only").rc == 0
    assert listed(lab, client) == (["a", "b"], [])
    backups(lab, machine, client, "c")
    assert stock(lab, client, "check").rc == 0
    assert stock(lab, client, "compact").rc == 0


def rows(lab: Lab, client: str) -> dict[str, str]:
    """The standing of each archive."""
    data = lab.sidecar("list", "--json", client, rung="none").result["data"]
    return {item["name"]: item["standing"] for item in data["archives"]}


def test_put_in_by_the_client(lab: Lab, machine: Client, client: str) -> None:
    """Archives of its own, dated later than all others, count for nothing and push out nothing."""
    backups(lab, machine, client, "good")
    late = time.strftime("%Y-%m-%dT23:59:", time.gmtime(time.time() + 86400))
    for number, name in enumerate(("one", "-two", "{three}", "x{y}.unverified-1")):
        word = "::" + name.replace("{", "{{").replace("}", "}}")
        hostile_borg(
            lab, client, "create", "--timestamp", f"{late}0{number}", word, "/etc/hostname"
        )
    strangers = {"one": "stranger", "-two": "stranger", "{three}": "stranger"}
    assert rows(lab, client) == {
        "good": "verified",
        "x{y}.unverified-1": "unverified",
        **strangers,
    }
    text = lab.sidecar("list", client, rung="none")
    assert re.search(r"^one .* STRANGER$", text.stdout, re.M)
    assert "acknowledge" in text.stderr
    info = lab.sidecar("info", "--json", client, rung="none").result["data"]["archives"]
    assert (info["verified"], info["strangers"], info["latest"]) == (1, 3, "good")
    done = lab.sidecar("restore", client, "latest", "--to", f"/tmp/{client}", rung="none")
    assert (done.rc, done.stdout.startswith("good to")) == (0, True), done.stderr
    done = lab.sidecar("list", client, "{three}", rung="none")
    assert (done.rc, "no verified run of this server made it" in done.stderr) == (0, True)

    for words in (["prune", "--keep-daily", "3"], ["delete", "::good"], ["compact"], ["recreate"]):
        done = stock(lab, client, *words)
        assert done.rc == 68, done.stderr
    backups(lab, machine, client, "next")  # which sweeps what is called unverified
    assert rows(lab, client) == {"good": "verified", **strangers, "next": "verified"}

    for wrong in (("--adopt", "no-such"), ("--delete", "good")):
        assert lab.sidecar("acknowledge", client, *wrong, rung="none").rc in (2, 48)
    options = ("--adopt", "one", "--delete=-two", "--delete", "{three}")
    done = lab.sidecar("acknowledge", "--json", client, *options, rung="none")
    assert done.rc == 0, done.stdout + done.stderr
    data = {"acknowledged": [], "lifted": None, "adopted": ["one"], "deleted": ["-two", "{three}"]}
    assert done.result["data"] == data
    assert rows(lab, client) == {"good": "verified", "one": "verified", "next": "verified"}
    assert stock(lab, client, "prune", "--keep-last", "9").rc == 0
    assert lab.sidecar("list", client, rung="none").stderr == ""


@pytest.mark.usefixtures("a_and_b")
def test_brought_along(lab: Lab, machine: Client, client: str) -> None:
    """Without this server's ledger nothing is verified, and a restore still works."""
    path = lab.state / "clients" / client / "ledger.jsonl"
    good = path.read_bytes()
    path.unlink()
    assert rows(lab, client) == {"a": "not_known", "b": "not_known"}
    done = lab.sidecar("restore", client, "latest", "--to", f"/tmp/{client}", rung="none")
    assert (done.rc, done.stdout.startswith("b to")) == (0, True), done.stderr
    assert "b is not verified" in done.stderr
    assert stock(lab, client, "prune", "--keep-last", "1").rc == 68
    done = lab.sidecar("acknowledge", client, "--adopt-not-known", rung="none")
    assert (done.rc, done.stdout) == (0, "adopted: a\nadopted: b\n"), done.stderr
    assert set(rows(lab, client).values()) == {"verified"}

    path.write_bytes(good.replace(b'"archive"', b'"arch', 1))  # not the last line
    for words in (("list", client), ("acknowledge", client), ("borg", client, "--", "prune")):
        done = lab.sidecar(*words, rung="none")
        assert (done.rc, "damaged in line" in done.stderr) == (69, True), done.stderr
    assert backup(lab, machine, client, "c").rc == 69


def test_what_comes_after_the_renaming_fails(lab: Lab, machine: Client, client: str) -> None:
    """The archive is good, and recorded: with braces in its name, too."""
    backups(lab, machine, client, "{{a}}")
    (lab.state / "clients" / client / "client-cache.tar.new").mkdir()
    words = ("--name", client, "--archive", "{{b}}", machine.address, "/etc/ssh")
    done = lab.sidecar("pipe", *words, rung="none")
    assert done.rc == 0, done.stderr
    assert "warning: what this run has learnt is not kept" in done.stderr
    assert rows(lab, client) == {"{a}": "verified", "{b}": "verified"}
    for look in (("list", client, "latest"), ("browse", client), ("diff", client, "{a}", "{b}")):
        done = lab.sidecar(*look, rung="none")
        assert done.rc == 0, done.stderr


@pytest.mark.usefixtures("a_and_b")
def test_another_machine_under_the_name(lab: Lab, machine: Client, client: str) -> None:
    other = lab.client(SEED="0")
    before = sorted(path.name for path in (lab.repo / client / "data").rglob("*"))
    for method in ("pipe", "sshfs"):
        done = lab.sidecar(method, "--name", client, other.address, "/etc/ssh")
        assert (done.rc, "--name NAME" in done.stderr) == (13, True), done.stderr
    assert sorted(path.name for path in (lab.repo / client / "data").rglob("*")) == before
    assert "borgpull" not in other.exec("ls", "-A", "/tmp", "/var/tmp", "/run")
    words = ("--replace", "--yes", "--name", client, other.address)
    done = lab.sidecar("trust", *words, rung="none")
    assert done.rc == 0, done.stderr
    backups(lab, other, client, "c")
    assert backup(lab, machine, client, "d").rc == 13


@pytest.mark.usefixtures("a_and_b")
def test_what_this_server_does_is_no_loss(lab: Lab, machine: Client, client: str) -> None:
    backups(lab, machine, client, "c")
    for words in (
        ["delete", "::a"],
        ["--lock-wait", "5", "rename", "::b", "renamed"],
        ["recreate", "--comment", "x", "::c"],
        ["prune", "--keep-last", "1"],
    ):
        done = stock(lab, client, *words)
        assert done.rc == 0, done.stderr
    assert lab.sidecar("borg", client, "--", "delete", "::no", passphrase="no", rung="none").rc != 0
    there, lost = listed(lab, client)
    assert (len(there), lost) == (1, [])
    backups(lab, machine, client, "e")
    assert stock(lab, client, "compact").rc == 0
    hostile_borg(lab, client, "delete", f"::{there[0]}")  # renamed, or made anew, or neither
    assert listed(lab, client)[1] == [there[0]]


@pytest.mark.usefixtures("a_and_b")
def test_the_guard_undoes_a_new_key(lab: Lab, machine: Client, client: str) -> None:
    """save_key goes through --append-only; the next run finds the repository as it was."""
    config = lab.repo / client / "config"
    good, nonce = config.read_bytes(), (lab.repo / client / "nonce").read_bytes()
    script = """
import os, sys
from pathlib import Path
from borg.archiver import Archiver
from borg.helpers import Location
from borg.logger import setup_logging
from borg.remote import RemoteRepository
from borgpull.borg.guard import config_guard
from borgpull.errors import RepositoryTampered

client, mode = sys.argv[1:]
config = Path("/repo", client, "config")
keep = Path("/state/clients", client, "config-guard.json")
setup_logging()
args = Archiver().parse_args(["list", "::"])
try:
    with config_guard(config.parent, keep):
        location = Location(os.environ["BORG_REPO"])
        with RemoteRepository(location, args=args, exclusive=True, lock_wait=5) as repository:
            repository.save_key(b"gone")
        assert "key = gone" in config.read_text()
        if mode == "kill":
            os._exit(9)
except RepositoryTampered as error:
    print(error.exit_code)
"""
    argv = ["python3", "-P", "-c", script, client]
    done = from_the_client(lab, client, [*argv, "end"])
    assert (done.rc, done.stdout) == (0, "66\n"), done.stderr
    assert config.read_bytes() == good

    done = from_the_client(lab, client, [*argv, "kill"])
    assert done.rc == 9, done.stderr
    assert config.read_bytes() != good
    done = backup(lab, machine, client, "c")
    assert done.rc == 66, done.stderr
    assert "the client changed config of" in done.stderr
    assert config.read_bytes() == good
    backups(lab, machine, client, "c")
    assert (lab.repo / client / "nonce").read_bytes() >= nonce

    done = from_the_client(lab, client, [*argv, "kill"])
    done = stock(lab, client, "config", "::", "additional_free_space", "10M")
    assert done.rc == 66, done.stderr
    assert stock(lab, client, "config", "::", "additional_free_space", "10M").rc == 0
    backups(lab, machine, client, "d")
    assert "additional_free_space = 10M" in config.read_text()


def test_every_command_of_borg_is_known() -> None:
    """A new one in a new borg must be looked at: it may free space, or change the list."""
    text = docker("run", "--rm", "--entrypoint", "borg", laboratory.IMAGE, "--help")
    commands = set(re.findall(r"^    ([a-z][a-z-]+)(?: |$)", text, re.MULTILINE))
    assert {"compact", "create"} <= commands
    assert commands | {"help"} == LOOKING | CHANGING, json.dumps(sorted(commands))
