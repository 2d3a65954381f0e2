"""Each cause has one line, one hint and one exit code, and leaves nothing half done."""

from __future__ import annotations

import fcntl
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.lab import HOST_CLI, Client, Completed, Lab, Rung, docker
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.docker, pytest.mark.timeout(300)]
INSTALLED = True  # clients have borg: how it gets there is tested elsewhere


@pytest.fixture(scope="module")
def client(lab: Lab) -> Client:
    client = lab.client(MANY="100")
    lab.backup(client, "/etc")
    return client


def assert_error(done: Completed, code: int, *words: str) -> None:
    lines = done.stderr.strip().splitlines()
    errors = [line for line in lines if line.startswith("borgpull: error: ")]
    hints = [line for line in lines if line.startswith("hint: ")]
    assert done.rc == code, done.stderr
    assert len(errors) == len(hints) == 1, done.stderr
    assert lines[-2:] == [*errors, *hints]
    assert "Traceback" not in done.stderr
    for word in words:
        assert word in errors[0]


def archives(lab: Lab, client: Client) -> list[str]:
    return lab.borg(client.name, "list", "--short", "--consider-checkpoints", "::").split()


@pytest.fixture
def unchanged(lab: Lab, client: Client) -> Iterator[None]:
    """The repository has the same archives before and after, and no lock."""
    before = archives(lab, client)
    yield
    assert archives(lab, client) == before
    assert not [*(lab.repo / client.name).glob("lock.*")]


# --- the connection -------------------------------------------------------------------------------


def test_unknown_host_key(lab: Lab) -> None:
    stranger = lab.client(trust=False, MANY="1")
    assert_error(lab.sidecar("sshfs", "--init", stranger.address, "/etc"), 30, stranger.name)
    done = lab.sidecar("trust", stranger.address, rung="none")
    assert_error(done, 30, "SHA256:")
    fingerprint = stranger.exec("ssh-keygen", "-lf", "/run/sshd-keys/ssh_host_ed25519_key.pub")
    right = fingerprint.split()[1]
    assert right in done.stderr
    wrong = "SHA256:" + "A" * 43
    pin = ("trust", stranger.address, "--fingerprint")
    assert_error(lab.sidecar(*pin, wrong, rung="none"), 30)
    assert lab.sidecar(*pin, right, rung="none").rc == 0
    assert lab.sidecar("sshfs", "--init", stranger.address, "/etc").rc == 0


@pytest.mark.usefixtures("unchanged")
def test_changed_host_key(lab: Lab, client: Client) -> None:
    known_hosts = lab.state / "known_hosts"
    pinned = known_hosts.read_text()
    other = "AAAAC3NzaC1lZDI1NTE5AAAAIGdUHYYb8lLlMUq8WTfKZ0WZLHqCeHPzXmpcbcnDwuDN"
    lines = [line.split()[0] for line in pinned.splitlines()]
    known_hosts.write_text("".join(f"{name} ssh-ed25519 {other}\n" for name in lines))
    try:
        assert_error(lab.sidecar("sshfs", client.address, "/etc"), 31, client.name)
        assert_error(lab.sidecar("trust", "--yes", client.address, rung="none"), 31)
        done = lab.sidecar("trust", "--yes", "--replace", client.address, rung="none")
        assert done.rc == 0
        assert lab.sidecar("sshfs", "--dry-run", client.address, "/etc").rc == 0
    finally:
        known_hosts.write_text(pinned)


@pytest.mark.usefixtures("unchanged")
def test_key_refused(lab: Lab, client: Client) -> None:
    stranger = lab.folder / "stranger"
    if not stranger.exists():
        keygen = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(stranger)]
        subprocess.run(keygen, check=True)
    options = ["-v", f"{stranger}:/k:ro", "-e", "BORGPULL_SSH_KEY=/k"]
    assert_error(lab.sidecar("sshfs", client.address, "/etc", options=options), 32, client.name)


@pytest.mark.usefixtures("unchanged")
@pytest.mark.parametrize("address", ["{name}:2999", "root@no-such-host.invalid"])
def test_unreachable(lab: Lab, client: Client, address: str) -> None:
    words = ("--name", client.name, address.format(name=client.name), "/etc")
    assert_error(lab.sidecar("sshfs", *words), 33)


@pytest.mark.parametrize(
    "address", ["-oProxyCommand=touch /repo/PWNED", "[web1]", "a b", "root@-x", "web1;id", "a:b:c]"]
)
def test_bad_address(lab: Lab, address: str) -> None:
    assert_error(lab.sidecar("sshfs", "--", address, "/etc"), 12)
    if address.startswith("-"):
        assert_error(lab.sidecar("sshfs", address, "/etc"), 12)
    assert not (lab.repo / "PWNED").exists()


@pytest.mark.parametrize("name", ["../x", "a/b", "-x", ".", "..", "", "a\nb"])
def test_bad_client_name(lab: Lab, client: Client, name: str) -> None:
    done = lab.sidecar("sshfs", f"--name={name}", client.address, "/etc")
    assert_error(done, 11) if name else None
    assert_error(lab.sidecar("init", "--", name, rung="none"), 11)


@pytest.mark.usefixtures("unchanged")
def test_paths(lab: Lab, client: Client) -> None:
    assert_error(lab.sidecar("sshfs", client.address, "/etc", "/no such"), 36, "/no such")
    assert_error(lab.sidecar("sshfs", client.address, "/bin/ls"), 36, "symlink /bin")
    assert_error(lab.sidecar("sshfs", client.address, "etc"), 2)
    assert_error(lab.sidecar("sshfs", client.address, "/etc/../root"), 2)


# --- the repository -------------------------------------------------------------------------------


@pytest.mark.usefixtures("unchanged")
def test_passphrase(lab: Lab, client: Client) -> None:
    assert_error(lab.sidecar("sshfs", client.address, "/etc", passphrase="wrong"), 40)
    assert_error(lab.sidecar("sshfs", client.address, "/etc", passphrase=None), 41)
    assert_error(lab.sidecar("sshfs", client.address, "/etc", passphrase=""), 10)
    assert_error(lab.sidecar("init", "new", passphrase=None, rung="none"), 41)
    assert not (lab.repo / "new").exists()


def test_repository_missing_or_there(lab: Lab, client: Client) -> None:
    for words in (["sshfs", "--name", "other", client.address], ["list", "other"]):
        assert_error(lab.sidecar(*words), 42, "other")
    assert_error(lab.sidecar("borg", "other", "--", "list"), 42)
    assert not [*lab.repo.glob("*other*")]
    assert not [*lab.state.glob("clients/other")]
    assert_error(lab.sidecar("init", client.name, rung="none"), 46)


@pytest.mark.usefixtures("unchanged")
def test_archive_names(lab: Lab, client: Client) -> None:
    there = archives(lab, client)[0]
    assert_error(lab.sidecar("sshfs", "--archive", there, client.address, "/etc"), 47, there)
    assert_error(lab.sidecar("list", client.name, "no-such"), 48, "no-such")


def is_held(lock: Path) -> bool:
    with lock.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


@pytest.mark.usefixtures("unchanged")
def test_locked_by_another_run(lab: Lab, client: Client) -> None:
    script = f"exec flock /repo/.{client.name}.lock sleep 600"
    held = ["-d", "--rm", "--label", lab.label, "-v", f"{lab.repo}:/repo", "--entrypoint", "sh"]
    holder = docker("run", *held, "borgpull", "-c", script).strip()
    try:
        wait_until(lambda: is_held(lab.repo / f".{client.name}.lock"))
        done = lab.sidecar("sshfs", "--lock-wait", "0", client.address, "/etc")
        assert_error(done, 43, client.name)
    finally:
        docker("rm", "-f", holder)


@pytest.mark.usefixtures("unchanged")
def test_locked_by_stock_borg(lab: Lab, client: Client) -> None:
    """A live lock of somebody else's borg is never broken."""
    script = (
        "exec 5</p; export BORG_PASSPHRASE_FD=5 BORG_RELOCATED_REPO_ACCESS_IS_OK=yes; "
        f"exec borg with-lock /repo/{client.name} sh -c 'sleep 600'"
    )
    mounts = ["-v", f"{lab.repo}:/repo", "-v", f"{lab.key.parent}/passphrase:/p:ro"]
    common = ["-d", "--rm", "--label", lab.label, "--init", *mounts, "--entrypoint", "bash"]
    holder = docker("run", *common, "borgpull", "-c", script).strip()
    try:
        lock = lab.repo / client.name / "lock.exclusive"
        wait_until(lock.exists)
        done = lab.sidecar("sshfs", "--lock-wait", "1", client.address, "/etc")
        assert_error(done, 43)
        assert lab.sidecar("tidy", rung="none").rc == 0
        assert lock.exists(), "a foreign lock was broken"
    finally:
        docker("kill", "--signal", "TERM", holder)
        docker("wait", holder, check=False)


def test_not_writable(lab: Lab, client: Client) -> None:
    mount = f"type=bind,source={lab.repo},target=/other,readonly"
    options = ["--mount", mount, "-e", "BORGPULL_REPO=/other"]
    assert_error(lab.sidecar("sshfs", client.address, "/etc", options=options), 44)


@pytest.mark.parametrize(("method", "rung"), [("sshfs", "userns"), ("pipe", "none")])
def test_disk_full(lab: Lab, client: Client, method: str, rung: Rung) -> None:
    """The server's, whichever borg has found it."""
    volume = f"full-{method}-{lab.id}"
    size = ["-o", "type=tmpfs", "-o", "device=tmpfs", "-o", "o=size=3m"]
    docker("volume", "create", *size, volume)
    try:
        options = ["-v", f"{volume}:/small", "-e", "BORGPULL_REPO=/small"]
        words = (method, "--init", client.address, "/srv/data")
        done = lab.sidecar(*words, rung=rung, options=options)
        assert_error(done, 45)
    finally:
        docker("volume", "rm", volume)


# --- the privilege of the container ---------------------------------------------------------------


@pytest.mark.usefixtures("unchanged")
def test_privileges(lab: Lab, client: Client) -> None:
    words = ("sshfs", client.address, "/etc")
    assert_error(lab.sidecar(*words, rung="none"), 50)
    assert_error(lab.sidecar(*words, rung="none", options=["--device", "/dev/fuse"]), 51)
    assert_error(lab.sidecar(*words, options=["--cap-drop", "ALL"]), 51, "65534")


# --- files that may not be read -------------------------------------------------------------------


def test_an_ordinary_user_on_the_client(lab: Lab, client: Client) -> None:
    address = f"alice@{client.name}"
    words = ("sshfs", "--init", "--name", "alice", address, "/etc")
    assert_error(lab.sidecar(*words), 61, "/etc/shadow", "/etc/gshadow")
    names = lab.borg("alice", "list", "--short", "::").split()
    assert all(".unverified-" in name for name in names)
    denied = client.exec(
        "su", "alice", "-s", "/bin/sh", "-c", "find /etc ! -readable 2>/dev/null; true"
    )
    allow = [f"--allow-unreadable={path}" for path in denied.split()]
    done = lab.sidecar("sshfs", *allow, "--name", "alice", address, "/etc")
    assert done.rc == 0, done.stderr
    assert "warning: not saved, as allowed: /etc/shadow" in done.stderr


# --- the host's command ---------------------------------------------------------------------------


def test_no_docker(lab: Lab, client: Client) -> None:
    env = {**os.environ, "DOCKER_HOST": "unix:///no/such/docker.sock"}
    argv = lab.host_argv("sshfs", client.address, "/etc")
    done = subprocess.run(argv, capture_output=True, text=True, env=env, check=False)
    assert_error(Completed(done.returncode, done.stdout, done.stderr), 20)


def test_no_image(lab: Lab, client: Client) -> None:
    done = lab.host("sshfs", "--image", "no-such-image", client.address, "/etc")
    assert_error(done, 21, "no-such-image")
    assert_error(lab.host("list", "other"), 42)


def test_a_missing_secret_file(lab: Lab, client: Client) -> None:
    done = lab.host("sshfs", "--known-hosts", "/no/such", client.address, "/etc")
    assert_error(done, 10, "/no/such")


def test_looking_makes_no_folders(lab: Lab) -> None:
    missing = lab.folder / "missing"
    argv = [str(HOST_CLI), "list", "--repo", str(missing), "--state", str(lab.state), "web1"]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert_error(Completed(done.returncode, done.stdout, done.stderr), 10, str(missing))
    assert not missing.exists()
