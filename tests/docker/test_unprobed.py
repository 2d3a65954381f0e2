"""Logins with an ed25519 key: ssh signs at once, and does not ask whether the key will do.

sshd at the level VERBOSE tells of each question (OpenSSH's auth.c, auth_log: "Postponed").
"""

from __future__ import annotations

import base64
import subprocess
from pathlib import Path

import pytest

from borgpull.ssh import unprobed
from tests.docker.test_errors import assert_error
from tests.support.lab import IMAGE, Client, Completed, Lab

pytestmark = [pytest.mark.docker, pytest.mark.timeout(300)]
OWNER = 1000
INSTALLED = True  # clients have borg: how it gets there is tested elsewhere

TREE = "/srv/data"
ASKED, ACCEPTED = "Postponed publickey for root", "Accepted publickey for root"


@pytest.fixture(scope="module")
def client(lab: Lab) -> Client:
    return lab.client(SEED="0", SSHD_LOGLEVEL="VERBOSE")


def keygen(path: Path, *words: str) -> Path:
    passphrase = () if "-N" in words else ("-N", "")
    argv = ["ssh-keygen", "-q", *passphrase, *words, "-f", str(path)]
    subprocess.run(argv, check=True, timeout=60)
    path.chmod(0o644)  # for the user of the sidecar, as a mounted secret is
    return path


def with_key(key: Path) -> list[str]:
    """docker's options for a key other than the laboratory's."""
    return ["-v", f"{key}:/k/key:ro", "-e", "BORGPULL_SSH_KEY=/k/key"]


def log_of(lab: Lab, client: Client, method: str, *options: str, via: str = "") -> str:
    """What sshd tells of a run of the method."""
    before = len(client.log())
    done = pull(lab, client, method, *options, via=via)
    assert done.rc == 0, done.stderr
    return client.log()[before:]


def pull(lab: Lab, client: Client, method: str, *options: str, via: str = "") -> Completed:
    """Each method has a repository of its own: that of `sshfs` is root's."""
    words = [method, "--init", "--name", f"by-{method}", client.address, TREE]
    words += ["--via", via] if via else []
    if method == "sshfs":
        return lab.sidecar(*words, options=options)
    return lab.plain(*words, options=options)


def test_the_images_programs_read_it(lab: Lab) -> None:
    comments = ("", "a", "ab", "abc", "é ☃", "x" * 500)
    folder = lab.folder / "forms"
    folder.mkdir()
    wanted = []
    for number, comment in enumerate(comments):
        key = keygen(folder / f"made{number}", "-t", "ed25519", "-C", comment)
        found = unprobed.pkcs8(key.read_bytes())
        assert found is not None
        form = folder / f"form{number}"
        form.write_bytes(found)
        form.chmod(0o600)
        wanted.append(key.with_suffix(".pub").read_text().split()[:2])
    script = "for at in 0 1 2 3 4 5; do ssh-keygen -y -f /k/form$at || exit; done"
    argv = ["docker", "run", "--rm", "--user", "0", "-v", f"{folder}:/k:ro", "--entrypoint", "sh"]
    argv += [IMAGE, "-c", script]
    out = subprocess.run(argv, check=True, capture_output=True, text=True, timeout=60).stdout
    assert [line.split()[:2] for line in out.splitlines()] == wanted


@pytest.mark.parametrize("method", ["stream", "pipe", "socat", "agent", "forward", "sshfs"])
def test_a_login_asks_nothing(lab: Lab, client: Client, method: str) -> None:
    log = log_of(lab, client, method)
    assert ACCEPTED in log
    assert ASKED not in log


def test_another_kind_of_key_asks(lab: Lab, client: Client) -> None:
    """It is copied as it is. So the words above are sshd's words."""
    key = keygen(lab.folder / "ecdsa", "-t", "ecdsa")
    line = key.with_suffix(".pub").read_text().strip()
    client.exec("sh", "-c", f"echo '{line}' >>/etc/ssh/authorized_keys/root")
    log = log_of(lab, client, "stream", *with_key(key))
    assert ACCEPTED in log
    assert ASKED in log


def test_through_a_jump_host_with_a_key_of_its_own(lab: Lab, client: Client) -> None:
    gate = lab.client(SEED="0", SSHD_LOGLEVEL="VERBOSE")
    key = keygen(lab.folder / "jump", "-t", "ed25519")
    line = key.with_suffix(".pub").read_text().strip()
    gate.exec("sh", "-c", f"echo '{line}' >/etc/ssh/authorized_keys/root")
    refused = pull(lab, client, "stream", via=gate.address)
    assert_error(refused, 32, f"the jump host {gate.address} refuses our ssh key")
    via_key = ("-v", f"{key}:/run/secrets/via_key:ro")
    log = log_of(lab, client, "stream", *via_key, via=gate.address)
    for text in (log, gate.log()):
        assert ACCEPTED in text
        assert ASKED not in text


def cut(key: Path, to: Path) -> Path:
    """Without a line of its middle."""
    lines = key.read_text().splitlines()
    return written(to, "\n".join([*lines[:2], *lines[3:], ""]).encode())


def with_another_seed(key: Path, to: Path) -> Path:
    """The public half is the one that the client knows."""
    first, *lines, last = key.read_bytes().splitlines()
    body = bytearray(base64.b64decode(b"".join(lines)))
    body[body.index(b"\0\0\0\x40") + 4] ^= 1
    return written(to, b"\n".join([first, base64.b64encode(body), last, b""]))


def written(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    path.chmod(0o644)
    return path


@pytest.mark.parametrize("method", ["stream", "pipe", "sshfs"])
def test_a_key_that_is_refused(lab: Lab, client: Client, method: str, tmp_path: Path) -> None:
    stranger = keygen(tmp_path / "stranger", "-t", "ed25519")
    damaged = cut(stranger, tmp_path / "damaged")
    mixed = with_another_seed(lab.key, tmp_path / "mixed")
    assert unprobed.pkcs8(damaged.read_bytes()) is None
    assert unprobed.pkcs8(mixed.read_bytes()) is not None
    for key in (stranger, damaged, mixed):
        done = pull(lab, client, method, *with_key(key))
        assert_error(done, 32, f"{client.address} refuses our ssh key")


def test_a_key_with_a_passphrase(lab: Lab, client: Client, tmp_path: Path) -> None:
    key = keygen(tmp_path / "locked", "-t", "ed25519", "-N", "hunter2")
    assert_error(pull(lab, client, "stream", *with_key(key)), 10, "has a passphrase")
