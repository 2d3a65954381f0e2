"""A client that borg lets in deletes archives, or the key: it is noticed, and stays recoverable."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator, Sequence

import pytest

from borgpull.borg.subcommand import CHANGING, LOOKING
from tests.support import lab as laboratory
from tests.support.lab import TIMEOUT, Client, Completed, Lab, docker

pytestmark = pytest.mark.docker


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with Lab(tmp_path_factory.mktemp("vanished") / "lab") as made:
        yield made


@pytest.fixture(scope="module")
def machine(lab: Lab) -> Client:
    return lab.client(MANY="20")


@pytest.fixture
def client(lab: Lab, machine: Client, request: pytest.FixtureRequest) -> str:
    """A client's name, and so a repository, of this test's own."""
    return re.sub(r"\W", "-", request.node.name)


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


def from_the_client(lab: Lab, client: str, argv: Sequence[str]) -> Completed:
    """A command that reaches the repository, and knows its passphrase, as a client in a session."""
    serve = f"borg serve --append-only --restrict-to-repository /repo/{client}"
    script = 'exec 5< /run/secrets/passphrase; export BORG_PASSPHRASE_FD=5; exec "$@"'
    run = ["docker", "run", "--rm", "--label", lab.label, "-v", f"{lab.repo}:/repo"]
    run += [
        "-v",
        f"{lab.state}:/state",
        "-v",
        f"{lab.key.parent}/passphrase:/run/secrets/passphrase",
    ]
    run += ["-e", f"BORG_RSH=sh -c 'exec {serve}'", "-e", f"BORG_REPO=ssh://x/repo/{client}"]
    run += ["--entrypoint", "bash", laboratory.IMAGE, "-c", script, "sh", *argv]
    done = subprocess.run(run, capture_output=True, text=True, timeout=TIMEOUT, check=False)
    return Completed(done.returncode, done.stdout, done.stderr)


def hostile_borg(lab: Lab, client: str, *words: str) -> None:
    done = from_the_client(lab, client, ["borg", *words])
    assert done.rc == 0, done.stderr


def test_deleted_by_the_client(lab: Lab, machine: Client, client: str) -> None:
    backups(lab, machine, client, "a", "b")
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

    done = lab.sidecar("acknowledge", client, rung="none")
    assert (done.rc, done.stdout.split()[:2]) == (0, ["acknowledged:", "a"]), done.stderr
    done = lab.sidecar("acknowledge", client, rung="none")
    assert (done.rc, done.stdout) == (0, "nothing has vanished\n")
    assert stock(lab, client, "compact").rc == 0
    backups(lab, machine, client, "e")
    assert listed(lab, client) == (["b", "c", "d", "e"], [])


def test_replaced_by_the_client(lab: Lab, machine: Client, client: str) -> None:
    """Another archive under the name of the lost one does not hide it."""
    backups(lab, machine, client, "a", "b", "c")
    hostile_borg(lab, client, "delete", "::a")
    hostile_borg(lab, client, "rename", "::b", "a")
    assert listed(lab, client) == (["a", "c"], ["a", "b"])
    assert "another has its name" in lab.sidecar("list", client, rung="none").stdout


def test_rolled_back(lab: Lab, machine: Client, client: str) -> None:
    """The recipe of docs/design.md: what was deleted is there again, and nothing is amiss."""
    backups(lab, machine, client, "a", "b")
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


def test_what_this_server_does_is_no_loss(lab: Lab, machine: Client, client: str) -> None:
    backups(lab, machine, client, "a", "b", "c", "d")
    for words in (
        ["delete", "::a"],
        ["--lock-wait", "5", "rename", "::b", "renamed"],
        ["recreate", "--comment", "x", "::c"],
        ["prune", "--keep-last", "2"],
    ):
        done = stock(lab, client, *words)
        assert done.rc == 0, done.stderr
    assert lab.sidecar("borg", client, "--", "delete", "::no", passphrase="no", rung="none").rc != 0
    there, lost = listed(lab, client)
    assert (len(there), lost) == (2, [])
    backups(lab, machine, client, "e")
    assert stock(lab, client, "compact").rc == 0
    hostile_borg(lab, client, "delete", f"::{there[0]}")  # renamed, or made anew, or neither
    assert listed(lab, client)[1] == [there[0]]


def test_the_guard_undoes_a_new_key(lab: Lab, machine: Client, client: str) -> None:
    """save_key goes through --append-only; the next run finds the repository as it was."""
    backups(lab, machine, client, "a")
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
    done = backup(lab, machine, client, "b")
    assert done.rc == 66, done.stderr
    assert "the client changed config of" in done.stderr
    assert config.read_bytes() == good
    backups(lab, machine, client, "b")
    assert (lab.repo / client / "nonce").read_bytes() >= nonce

    done = from_the_client(lab, client, [*argv, "kill"])
    done = stock(lab, client, "config", "::", "additional_free_space", "10M")
    assert done.rc == 66, done.stderr
    assert stock(lab, client, "config", "::", "additional_free_space", "10M").rc == 0
    backups(lab, machine, client, "c")
    assert "additional_free_space = 10M" in config.read_text()


def test_every_command_of_borg_is_known() -> None:
    """A new one in a new borg must be looked at: it may free space, or change the list."""
    text = docker("run", "--rm", "--entrypoint", "borg", laboratory.IMAGE, "--help")
    commands = set(re.findall(r"^    ([a-z][a-z-]+)(?: |$)", text, re.MULTILINE))
    assert {"compact", "create"} <= commands
    assert commands | {"help"} == LOOKING | CHANGING, json.dumps(sorted(commands))
