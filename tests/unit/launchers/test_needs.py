"""What a job's container gets, and what it does not get."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from borgpull.addresses import Target
from borgpull.errors import UsageError
from borgpull.jobs import (
    Access,
    Backup,
    Demo,
    Doctor,
    Drill,
    DrillCheck,
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
from borgpull.launchers.needs import Scratch, needs
from borgpull.launchers.options import Rung
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
        (Drill(client="web1"), ()),
        (Drill(client="web1", how="stream"), ()),
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


@pytest.mark.parametrize(
    ("rung", "more"), [("userns", set()), ("sys-admin", {"SYS_ADMIN", "SETPCAP"})]
)
def test_a_drill_that_mounts_is_confined_all_the_same(rung: Rung, more: set[str]) -> None:
    usual, mounting = (needs(Drill(client="web1", how=how), rung) for how in ("local", "numeric"))
    assert (usual.confined, usual.device, usual.mounts) == (True, "", False)
    assert (mounting.confined, mounting.device, mounting.mounts) == (True, "/dev/fuse", True)
    assert set(mounting.capabilities) - set(usual.capabilities) == more
    assert (network(Drill(client="web1", how="numeric")), mounting.own_profile) == (
        "none",
        rung == "userns",
    )


def test_no_other_container_sees_a_scratch_in_memory() -> None:
    check = DrillCheck(name="x", run="true", image="theirs")
    with pytest.raises(UsageError, match="memory"):
        Drill(client="web1", scratch="tmpfs:1g", checks=(check,))


def test_the_demo_gets_nothing_of_the_users() -> None:
    found = needs(Demo())
    assert (found.folders, found.secrets, found.scratch) == ((), (), Scratch(source="/scratch"))
    assert (found.confined, found.root, network(Demo())) == (True, True, "none")


def test_no_restored_program_runs_where_it_may_mount() -> None:
    check = DrillCheck(name="x", run="true")
    assert Drill(client="web1", how="native", checks=(check,)).checks
    with pytest.raises(UsageError, match="numeric"):
        Drill(client="web1", how="numeric", checks=(check,))


def test_a_verb_that_only_reads_cannot_write(tmp_path: Path) -> None:
    places = Places(repo=str(tmp_path), state="volume", passphrase="", ssh_key="", known_hosts="")
    job = Restore(client="web1", archive="latest", how="local", into=str(tmp_path), places=places)
    found = {mount["Target"]: mount for mount in mounts(job)}
    assert (found["/repo"]["ReadOnly"], found["/restore"]["ReadOnly"]) == (True, False)
    assert (found["/state"]["Type"], found["/repo"]["Type"]) == ("volume", "bind")


@pytest.mark.parametrize("scratch", ["", "volume", "{}/scratch"])
def test_a_drill_restores_to_what_is_gone_afterwards(scratch: str, tmp_path: Path) -> None:
    source = scratch.format(tmp_path)
    places = Places(repo=str(tmp_path), state="volume", passphrase="")
    job = Drill(client="web1", scratch=source, places=places)
    found = {mount["Target"]: mount for mount in mounts(job)}
    assert set(found) == {"/repo", "/state", "/scratch"}
    assert (found["/scratch"]["Source"] or "", found["/repo"]["ReadOnly"]) == (source, True)
    bound = source.startswith("/")
    assert found["/scratch"]["Type"] == ("bind" if bound else "volume")
    assert (tmp_path / "scratch").is_dir() == bound
    assert privileges(job, "userns")["tmpfs"] == {"/tmp": ""}


def test_a_drill_in_memory(tmp_path: Path) -> None:
    """A restored tree has programs, devices and set-user-ID files."""
    places = Places(repo=str(tmp_path), state="volume", passphrase="")
    job = Drill(client="web1", scratch="tmpfs:2G", memory=1 << 32, places=places)
    assert {mount["Target"] for mount in mounts(job)} == {"/repo", "/state"}
    options = privileges(job, "userns")
    assert options["tmpfs"] == {"/tmp": "", "/scratch": "exec,suid,dev,mode=700,size=2g"}
    assert (options["mem_limit"], options["memswap_limit"]) == (1 << 32, 1 << 32)
    assert "mem_limit" not in privileges(Drill(client="web1"), "userns")


def test_a_drill_has_a_network_if_it_may() -> None:
    drill = Drill(client="web1", network=True)
    assert (network(drill), needs(drill).talks) == (None, True)
    assert (needs(drill).root, needs(PRUNE).root) == (True, False)
