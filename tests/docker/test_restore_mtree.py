"""Restores by stream, looked at by two tools that are not ours: rsync and NetBSD's mtree."""

from __future__ import annotations

import pytest

from tests.support.lab import Client, Lab
from tests.support.restores import (
    INTO,
    TREE,
    UNAVOIDABLE,
    UNAVOIDABLE_BY_MTREE,
    by_mtree,
    compared,
    ok,
    saved,
    volume,
)

pytestmark = [pytest.mark.docker, pytest.mark.timeout(300)]
OWNER = 1000  # of the laboratory: the sidecars are not root

IDS = "usermod -u {0}11 alice; groupmod -g {0}11 alice; groupmod -g {0}12 crew"
# Of alice and crew: as on the source, and other ones.
SAME, OTHERS = "47", "57"
# How rsync finds the ids of the target's alice and crew right.
MAPPED = ("--usermap=4711:5711", "--groupmap=4711:5711,4712:5712")


@pytest.fixture(scope="module")
def source(lab: Lab) -> Client:
    """A client with one archive, `all`."""
    return saved(lab)


@pytest.fixture(scope="module")
def target(lab: Lab) -> Client:
    made = lab.client("borgpull-borg12-client", SEED="0")
    made.let_sudo()
    return made


def restored(lab: Lab, source: Client, target: Client, login: str, ids: str) -> None:
    """All of it, into an empty folder of a target with these ids of users."""
    target.exec("sh", "-c", f"rm -rf {INTO}/* {INTO}/.[!.]*; {IDS.format(ids)}")
    to = f"{target.address}:{INTO}".replace("root@", f"{login}@")
    words = ("--how", "stream", *(["--sudo"] if login == "alice" else []))
    data = ok(lab.plain("restore", "--json", *words, source.name, "all", "--to", to))
    assert (data["not_restored"], data["warnings"]) == ({}, [])


def by_rsync(rsync: str, source: Client, target: Client, ids: str) -> list[str]:
    rule = MAPPED if ids == OTHERS else ("--numeric-ids",)
    return compared(rsync, volume(source, TREE), volume(target, INTO), TREE, ids=rule)


@pytest.mark.parametrize("ids", [SAME, OTHERS])
@pytest.mark.parametrize("login", ["root", "alice"])
def test_nothing_is_different(
    lab: Lab, source: Client, target: Client, rsync: str, login: str, ids: str
) -> None:
    restored(lab, source, target, login, ids)
    assert by_rsync(rsync, source, target, ids) == UNAVOIDABLE
    assert by_mtree(rsync, lab, source, target) == UNAVOIDABLE_BY_MTREE


def test_both_tools_notice(lab: Lab, source: Client, target: Client, rsync: str) -> None:
    """An owner, a time to the nanosecond, a content of the same size, and a name."""
    restored(lab, source, target, "root", OTHERS)
    script = (
        "chown 1 owners/crew; touch -d '2001-01-01 00:00:00.000000001' files/plain.txt; "
        "t=$(stat -c %y many/0000/file-000007); echo y | "
        "dd of=many/0000/file-000007 conv=notrunc status=none; "
        'touch -d "$t" many/0000/file-000007; : >new'
    )
    target.exec("sh", "-c", f"cd {INTO}{TREE}; {script}")
    for said in (
        by_rsync(rsync, source, target, OTHERS),
        by_mtree(rsync, lab, source, target),
    ):
        for name in ("owners/crew", "files/plain.txt", "many/0000/file-000007", "new"):
            assert [line for line in said if name in line], said
