"""What a job's container gets, and what it does not get."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from borgpull.addresses import Target
from borgpull.jobs import (
    Access,
    Backup,
    Doctor,
    Job,
    Keep,
    List,
    Prune,
    Restore,
    Route,
    Status,
    Trust,
)
from borgpull.launchers.container import mounts, network, privileges
from borgpull.launchers.needs import needs
from borgpull.launchers.security import security
from borgpull.places import Places

WEB = Target(host="web1", port=2222)
GATE = Target(host="gate")


def backup(verb: str, **more: Any) -> Backup:
    access = Access(target=WEB, via=more.pop("via", None))
    return Backup(verb=verb, client="web1", access=access, **more)


PRUNE = Prune(client="web1", keep=Keep(daily=1))


@pytest.mark.parametrize(
    ("job", "ports"),
    [
        (backup("pipe"), (2222,)),
        (backup("pipe", via=GATE), (22,)),
        (backup("sshfs"), (2222,)),
        (PRUNE, ()),
        (List(client="web1"), ()),
        (Status(), ()),
        (Doctor(), ()),
        (Doctor(route=Route(target=WEB)), (2222,)),
        (Trust(route=Route(target=WEB)), (2222,)),
        (Restore(archive="latest", how="local", into="/x"), ()),
    ],
    ids=lambda value: getattr(value, "verb", ""),
)
def test_who_talks_to_whom(job: Job, ports: tuple[int, ...]) -> None:
    assert needs(job).connects_to == ports
    assert network(job) == (None if ports else "none")


def test_who_waits_to_be_called() -> None:
    assert needs(backup("agent", connect_back="me:4711")).listens_on == 4711
    assert needs(backup("agent")).listens_on is None
    assert needs(backup("pipe", connect_back="me:4711")).listens_on is None


def test_secrets_are_for_those_who_use_them() -> None:
    assert [secret.what for secret in needs(PRUNE).secrets] == ["passphrase"]
    assert [secret.what for secret in needs(backup("pipe")).secrets] == [
        "passphrase",
        "known_hosts",
        "ssh_key",
    ]
    assert "via_key" in [secret.what for secret in needs(backup("pipe", via=GATE)).secrets]
    assert not needs(PRUNE).agent


@pytest.mark.parametrize("verb", ["pipe", "socat", "agent", "forward"])
def test_what_mounts_nothing_is_confined(verb: str) -> None:
    found = needs(backup(verb))
    assert found.confined
    assert not (found.device or found.own_profile or found.mounts)
    assert "SYS_ADMIN" not in found.capabilities
    options = privileges(backup(verb), "userns")
    assert (options["cap_drop"], options["read_only"]) == (["ALL"], True)
    assert options["cap_add"] == list(found.capabilities)


def test_the_rungs() -> None:
    low, high = needs(backup("sshfs"), "userns"), needs(backup("sshfs"), "sys-admin")
    assert (low.capabilities, low.own_profile, low.device) == ((), True, "/dev/fuse")
    assert (high.capabilities, high.own_profile, high.device) == (
        ("SYS_ADMIN",),
        False,
        "/dev/fuse",
    )
    assert "seccomp=file" in security(low, "file")
    assert not [word for word in security(high, "") if word.startswith("seccomp")]
    assert "no-new-privileges" in security(needs(PRUNE), "")


def test_a_verb_that_only_reads_cannot_write(tmp_path: Path) -> None:
    places = Places(repo=str(tmp_path), state="volume", passphrase="", ssh_key="", known_hosts="")
    job = Restore(client="web1", archive="latest", how="local", into=str(tmp_path), places=places)
    found = {mount["Target"]: mount for mount in mounts(job)}
    assert (found["/repo"]["ReadOnly"], found["/restore"]["ReadOnly"]) == (True, False)
    assert (found["/state"]["Type"], found["/repo"]["Type"]) == ("volume", "bind")
