"""Which machine a client's name stands for: one key of it is as good as another, a port is not."""

from __future__ import annotations

import os
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from borgpull.addresses import Target
from borgpull.errors import ConfigError, OtherMachine
from borgpull.jobs import Access, Backup
from borgpull.places import Places
from borgpull.ssh import hostkeys, machine
from borgpull.ssh.config import USED_KEY, tells


@pytest.fixture
def job(tmp_path: Path) -> Backup:
    (tmp_path / "clients" / "web1").mkdir(parents=True)
    places = Places(state=str(tmp_path), known_hosts=str(tmp_path / "mine"))
    access = Access(target=Target(host="gate", port=2201))
    return Backup(verb="pipe", client="web1", access=access, places=places)


def used(folder: Path, kind: str, text: str) -> Path:
    (folder / USED_KEY).write_text(f"{kind} {text}\n")
    return folder


def at(job: Backup, port: int, host: str = "gate") -> Backup:
    return replace(job, access=Access(target=Target(host=host, port=port)))


def test_another_machine_is_refused(job: Backup, tmp_path: Path) -> None:
    machine.require_same(
        job, used(tmp_path, "ssh-ed25519", "SHA256:a")
    )  # nothing is remembered yet
    machine.remember(job, tmp_path)
    machine.require_same(job, tmp_path)
    machine.require_same(job, used(tmp_path, "ssh-ed25519-cert-v01@openssh.com", "SHA256:a"))
    machine.require_same(at(job, 2201, "moved"), tmp_path)
    for other, kind, text in (
        (at(job, 2202), "ssh-ed25519", "SHA256:b"),
        (at(job, 2202), "ssh-ed25519", "SHA256:a"),  # a copy of the machine
        (job, "ssh-ed25519", "SHA256:b"),
        (job, "ssh-rsa", "SHA256:r"),
    ):
        with pytest.raises(OtherMachine) as refused:
            machine.require_same(other, used(tmp_path, kind, text))
        assert "--name NAME root@gate:" in refused.value.hint
        assert f"trust --replace --name web1 {other.access.target}" in refused.value.hint


def test_another_key_of_the_same_machine(job: Backup, tmp_path: Path) -> None:
    prints = {}
    for kind in ("ed25519", "rsa"):
        key = tmp_path / kind
        subprocess.run(["ssh-keygen", "-q", "-t", kind, "-N", "", "-f", str(key)], check=True)
        line = f"[gate]:2201 {key.with_suffix('.pub').read_text()}"
        with (tmp_path / "mine").open("a") as file:
            file.write(line)
        prints[kind] = hostkeys.fingerprint(line).split()[0]
    machine.remember(job, used(tmp_path, "ssh-ed25519", prints["ed25519"]))
    machine.require_same(job, used(tmp_path, "ssh-rsa", prints["rsa"]))
    machine.remember(job, tmp_path)
    known = machine.read(machine.path_of(tmp_path, "web1"))
    assert known == machine.Machine(
        "gate", 2201, {"ssh-ed25519": prints["ed25519"], "ssh-rsa": prints["rsa"]}
    )


def test_a_machine_that_was_installed_anew(job: Backup, tmp_path: Path) -> None:
    key = tmp_path / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
    line = f"[gate]:2201 {key.with_suffix('.pub').read_text()}"
    own = hostkeys.fingerprint(line).split()[0]
    machine.remember(job, used(tmp_path, "ssh-ed25519", "SHA256:a"))
    used(tmp_path, "ssh-ed25519", own)
    machine.replaced(tmp_path, Target(host="gate", port=2202), [line], "")
    with pytest.raises(OtherMachine):
        machine.require_same(job, tmp_path)
    machine.replaced(tmp_path, Target(host="gate", port=2201), [line], "")
    machine.require_same(job, tmp_path)
    with pytest.raises(OtherMachine):
        machine.require_same(at(job, 22), tmp_path)
    machine.replaced(tmp_path, Target(host="gate"), [line], "web1")
    machine.require_same(at(job, 22), tmp_path)


@pytest.mark.parametrize(
    "bad", ["", "[]", "{}", '{"host": "a", "port": "x", "keys": {}}', "[" * 99]
)
def test_what_cannot_be_read_is_an_error(job: Backup, tmp_path: Path, bad: str) -> None:
    machine.path_of(tmp_path, "web1").write_text(bad)
    with pytest.raises(ConfigError):
        machine.require_same(job, used(tmp_path, "ssh-ed25519", "SHA256:a"))


def test_an_ssh_that_does_not_tell(job: Backup, tmp_path: Path) -> None:
    """Then the keys that are known for the address stand for the one that was used."""
    keys = []
    for name in ("first", "second"):
        key = tmp_path / name
        argv = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)]
        subprocess.run(argv, check=True)
        keys.append(key.with_suffix(".pub").read_text())
    known = Path(job.places.known_hosts)
    known.write_text(f"[gate]:2201 {keys[0]}")
    machine.require_same(job, tmp_path)
    machine.remember(job, tmp_path)
    machine.require_same(job, tmp_path)
    known.write_text(f"[gate]:2201 {keys[1]}")
    with pytest.raises(OtherMachine):
        machine.require_same(job, tmp_path)


def test_a_root_without_setgid_is_not_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in the launcher's container: ssh would set groups before it tells, and fail."""
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert tells()
