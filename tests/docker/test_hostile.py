"""A hostile client: an archive or one clear error; no write outside the job's folders, no hang."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from tests.support.lab import Completed, Lab, docker

pytestmark = [pytest.mark.docker, pytest.mark.timeout(300)]

# Hostile root to what may come of it: 0 an archive, else the error's exit code.
ROOTS = {
    "symlinks": (0,),
    "fifo-passwd": (33, 37),
    "huge-passwd": (37,),
    "passwd-symlink-out": (0,),
    "big-folder": (0,),
    "deep-path": (60,),  # without a shell, nobody knows what SFTP cannot name there
    "names": (0,),
    "booby-trap": (0,),
}


def files_outside_borg(folder: Path) -> set[str]:
    """What lies in a folder, but for the inside of repositories and of borg's own folders."""
    inside = re.compile(r"(^|/)(data|borg/(cache|config|keys|security))(/|$)")
    names = (str(path.relative_to(folder)) for path in folder.rglob("*"))
    return {name for name in names if not inside.search(name)}


def expected(client: str) -> tuple[set[str], set[str]]:
    repository = {"", "/README", "/config", "/hints", "/index", "/integrity", "/nonce"}
    state = {
        "",
        "/borg",
        "/borg/files-cache.json",
        "/ledger.jsonl",
        "/machine.json",
        "/last-good.json",
        "/own-key",
        "/manifests",
        "/manifests/1.manifest",
        "/guard",
        "/guard/last.json",
    }
    repo = {
        re.sub(r"(hints|index|integrity)\.\d+", r"\1", f"{client}{name}") for name in repository
    }
    return repo | {f".{client}.lock"}, {f"clients/{client}{name}" for name in state}


@pytest.mark.parametrize("root", ROOTS)
def test_a_hostile_root(lab: Lab, root: str) -> None:
    # As many as any batch or buffer on the way holds many times over.
    client = lab.client(HOSTILE=root, ENTRIES="10000")
    name = f"kept-{client.name}"
    done = run_kept(lab, name, "sshfs", "--init", client.address)
    try:
        assert done.rc in ROOTS[root], done.stderr
        assert "Traceback" not in done.stderr
        if done.rc:
            assert len(re.findall("^borgpull: error: ", done.stderr, re.MULTILINE)) == 1
        # Nothing was written in the container's own file system but the mount points of docker.
        changed = docker("diff", name).split("\n")
        assert [line for line in changed if line and not harmless(line)] == []
    finally:
        docker("rm", "-f", "-v", name)
    repo, state = expected(client.name)
    found = {
        re.sub(r"(hints|index|integrity)\.\d+$", r"\1", item)
        for item in files_outside_borg(lab.repo)
    }
    assert {item for item in found if client.name in item} <= repo
    found = {
        re.sub(r"0*(\d+)-[0-9a-f]{64}\.manifest$", r"\1.manifest", item)
        for item in files_outside_borg(lab.state)
        if client.name in item
    }
    assert found <= state
    assert not [*lab.repo.rglob("*PWNED*")]
    assert not [*lab.state.rglob("*PWNED*")]
    client.stop()


def harmless(line: str) -> bool:
    """Mount points that docker itself makes in a container."""
    return line[2:] in ("/run", "/run/secrets", "/run/secrets/ssh_key", "/run/secrets/passphrase")


def run_kept(lab: Lab, name: str, *args: str) -> Completed:
    """A run on the lowest rung whose container stays, to be looked at."""
    argv = lab.command(*args, rung="userns", options=(), passphrase=lab.passphrase, name=name)
    argv.remove("--rm")
    done = subprocess.run(argv, capture_output=True, timeout=280, check=False)
    return Completed(done.returncode, done.stdout.decode(), done.stderr.decode())


def test_names_reach_the_screen_as_escapes_only(lab: Lab) -> None:
    """Neither a listing nor a warning moves the cursor or sets the title."""
    client = lab.client(HOSTILE="names")
    assert lab.sidecar("sshfs", "--init", client.address).rc == 0
    done = lab.sidecar("list", client.name, "latest", rung="none")
    assert done.rc == 0
    assert "\\x1b" in done.stdout
    for text in (done.stdout, done.stderr):
        assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]", text)
    dry = lab.sidecar("sshfs", "--verbose", client.address)
    assert "\x1b" not in dry.stdout + dry.stderr
    client.stop()


def test_a_client_of_static_busybox(lab: Lab) -> None:
    """No glibc, no loader, no shell of a distribution: nothing of the client is needed or run."""
    client = lab.client("borgpull-busybox-client")
    result = lab.backup(client, "/srv/data", "/etc")
    assert result["data"]["items"]["-"] > 0
    listing = lab.borg(
        client.name,
        "list",
        "--format",
        "{user}:{group} {path}{NL}",
        "::" + result["data"]["archive"],
    )
    assert "root:root etc/passwd" in listing
    client.stop()


def test_an_answer_without_end_fills_no_memory(lab: Lab) -> None:
    client = lab.client(SEED="0", SSHD_EXTRA="ForceCommand yes")
    for words in (("pipe", "--init"), ("doctor",)):
        done = lab.sidecar(*words, client.address, rung="none", options=("--memory", "200m"))
        assert done.rc in (37, 53), (done.rc, done.stderr)
        assert "without end" in done.stdout + done.stderr
    client.stop()
