"""Whatever the form, a file gives a container what `needs` says, as the docker launcher does."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from borgpull.cli.drilling import Drilling
from borgpull.cli.options import Launch, Where
from borgpull.cli.rendered import Certificates
from borgpull.errors import UsageError
from borgpull.launchers import container
from borgpull.places import certificate_of
from borgpull.renderers import RENDERERS
from borgpull.renderers.plan import Plan
from borgpull.verbs import VERBS
from tests.support.rendered import (
    COMMANDS,
    DRILLS,
    FORMS,
    ODD,
    ODD_FOLDER,
    Given,
    assert_as_planned,
    at_rung,
    planned,
)

EVERY = pytest.mark.parametrize("form", FORMS)
RUNGS = ("userns", "sys-admin")


def given(form: str, plan: Plan) -> Given:
    return FORMS[form](RENDERERS[form](plan))


def test_each_verb_that_runs_unattended_is_here() -> None:
    assert {words[0] for words in COMMANDS.values()} == {
        name for name, verb in VERBS.items() if verb.unattended
    }


@EVERY
@pytest.mark.parametrize("rung", RUNGS)
@pytest.mark.parametrize("command", COMMANDS)
def test_it_gets_what_it_needs_and_no_more(form: str, rung: str, command: str) -> None:
    plan = planned(COMMANDS[command], launch=at_rung(rung))
    assert_as_planned(given(form, plan), plan)


@EVERY
@pytest.mark.parametrize("rung", RUNGS)
@pytest.mark.parametrize("command", COMMANDS)
def test_it_gets_what_the_docker_launcher_gives(
    form: str, rung: Any, command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    where, certificates = on_this_host(tmp_path)
    plan = planned(
        COMMANDS[command],
        launch=at_rung(rung),
        where=where,
        via_key=str(tmp_path / "via_key"),
        certificates=certificates,
    )
    assert_as_launched(given(form, plan), plan, rung)


@EVERY
@pytest.mark.parametrize("more", DRILLS)
def test_a_drill_gets_what_the_docker_launcher_gives(form: str, more: str, tmp_path: Path) -> None:
    where, _ = on_this_host(tmp_path)
    drilling = DRILLS[more]
    if drilling.scratch == "/srv/scratch":
        drilling = replace(drilling, scratch=str(tmp_path / "scratch"))
    plan = planned(COMMANDS["drill"], where=where, drilling=drilling)
    found = given(form, plan)
    assert_as_planned(found, plan)
    if drilling.check:
        files = {f"/run/checks/{at}.yaml" for at in range(2)}
        assert {word for word in found.words if word.startswith("/run/checks")} == files
        assert "sshd=sshd -t" in found.words
        mounted = {mount for mount in found.mounts if mount[1] in files and mount[2]}
        assert len(mounted) == len(files)
        found = replace(found, mounts=found.mounts - mounted)
    if drilling.report:  # the launcher's command writes them itself
        assert found.words[-2:] == ("--report", "/report")
        mount = (drilling.report, "/report", False)
        assert mount in found.mounts
        found = replace(found, mounts=found.mounts - {mount})
    assert_as_launched(found, plan, "userns")


def assert_as_launched(found: Given, plan: Plan, rung: Any) -> None:
    job = replace(plan.job, places=plan.places)
    theirs = container.privileges(job, rung)
    security = {word for word in theirs["security_opt"] if not word.startswith("seccomp=")}
    assert found.added == set(theirs["cap_add"])
    assert found.dropped == {*theirs.get("cap_drop", [])}
    assert found.read_only == theirs.get("read_only", False)
    in_memory = theirs.get("tmpfs", {}).items()
    assert found.in_memory == {f"{path}:{how}".removesuffix(":") for path, how in in_memory}
    assert found.memory == (
        (theirs["mem_limit"], theirs["memswap_limit"]) if "mem_limit" in theirs else None
    )
    assert found.devices == {*theirs["devices"]}
    assert found.security == security
    assert found.own_profile == (len(theirs["security_opt"]) > len(security))
    assert found.ports == {
        (port, int(inside.removesuffix("/tcp"))) for inside, port in theirs["ports"].items()
    }
    assert found.network == (container.network(job) or "")
    assert found.mounts == {
        (mount["Source"] or "", mount["Target"], mount["ReadOnly"])
        for mount in container.mounts(job)
    }


def on_this_host(folder: Path) -> tuple[Where, Certificates]:
    """Files for all that a job may read."""
    files = ("ssh_key", "known_hosts", "via_key", "passphrase")
    for name in files:
        (folder / name).touch()
    keys = [str(folder / name) for name in ("ssh_key", "via_key")]
    for key in keys:
        Path(certificate_of(key)).touch()
    where = Where(
        repo=str(folder / "repo"),
        state=str(folder / "state"),
        ssh_key=keys[0],
        known_hosts=str(folder / "known_hosts"),
        passphrase_file=str(folder / "passphrase"),
    )
    for name in ("repo", "state"):
        (folder / name).mkdir()
    ssh, via = (certificate_of(key) for key in keys)
    return where, Certificates(ssh_certificate=ssh, via_certificate=via)


@EVERY
def test_words_and_places_mean_themselves(form: str) -> None:
    words = ["pipe", "root@web1", *ODD]
    repo = ODD_FOLDER if form != "quadlet" else "/srv/50%é,;#"
    plan = planned(words, where=Where(repo=repo, state="volume-1"))
    found = given(form, plan)
    assert_as_planned(found, plan)
    assert {(repo, "/repo", False), ("volume-1", "/state", False)} <= found.mounts


@EVERY
@pytest.mark.parametrize("network", ["backups", "host", "container:vpn"])
def test_a_network_that_is_named(form: str, network: str) -> None:
    assert given(form, planned(COMMANDS["pipe"], launch=Launch(network=network))).network == network


@EVERY
def test_a_secret_that_there_is_not(form: str) -> None:
    plan = planned(COMMANDS["pipe"], where=Where(passphrase_file="", ssh_key=""))
    targets = {target for _, target, _ in given(form, plan).mounts}
    assert targets == {"/repo", "/state"}


@EVERY
@pytest.mark.parametrize("command", COMMANDS)
def test_the_same_bytes_each_time(
    form: str, command: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """On another machine, too: neither its files nor its variables are looked at."""
    first = RENDERERS[form](planned(COMMANDS[command]))
    for name, value in {"HOME": str(tmp_path), "TZ": "Asia/Tokyo", "BORGPULL_REPO": "/x"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    assert RENDERERS[form](planned(COMMANDS[command])) == first
    assert all(text.endswith("\n") and os.sep not in name for name, text in first.items())


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": "-x"},
        {"name": "a/b"},
        {"name": "a b"},
        {"name": ""},
        {"launch": Launch(image="--privileged")},
        {"launch": Launch(image="a b")},
        {"launch": Launch(network="--privileged")},
        {"launch": Launch(network="a b")},
        {"where": Where(repo="./repo")},
        {"where": Where(repo="~/repo")},
        {"where": Where(repo="")},
        {"where": Where(state="a b")},
        {"where": Where(ssh_key="ssh_key")},
        {"where": Where(passphrase_file="~/passphrase")},
        {"where": Where(repo="/srv/a\nExecStart=/bin/sh")},
        {"where": Where(repo="/srv/a\udce9")},
        {"where": Where(repo="/srv/../repo")},
        {"where": Where(passphrase_file="/etc/borgpull/..")},
        {"certificates": Certificates(ssh_certificate="cert.pub")},
        {"certificates": Certificates(ssh_certificate="/a\n")},
        {"drilling": Drilling(scratch="./scratch")},
        {"drilling": Drilling(scratch="tmpfs:much")},
        {"drilling": Drilling(report="reports of web1")},
        {"drilling": Drilling(report="/srv/a\nExecStart=/bin/sh")},
        {"drilling": Drilling(memory="much")},
        {"drilling": Drilling(check=["checks.yaml"])},
        {"drilling": Drilling(check=["a=b\nExecStart=/bin/sh"])},
        {"launch": Launch(network="backups"), "drilling": Drilling()},
    ],
    ids=str,
)
@EVERY
def test_what_is_refused(form: str, wrong: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        RENDERERS[form](planned(COMMANDS["drill" if "drilling" in wrong else "pipe"], **wrong))


@pytest.mark.parametrize("word", ["/a\nb", "/a\rb", "/a\x00b", "/caf\udce9", "/a\u2028b"])
def test_words_that_are_no_text_for_a_line(word: str) -> None:
    with pytest.raises(UsageError):
        planned(["pipe", "root@web1", word])
