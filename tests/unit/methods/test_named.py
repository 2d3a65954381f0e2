"""Named paths: what cannot be seen on the client, and why one is not in the archive."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from borgpull.addresses import Target
from borgpull.client.facts import Facts
from borgpull.errors import PathMissing
from borgpull.jobs import Access, Backup
from borgpull.methods import Source, named
from borgpull.ops.named import _why

JOB = Backup(
    verb="pipe",
    access=Access(target=Target(host="web1")),
    paths=("/srv", "/mnt/a: b", "/root/x"),
    exclude=("*.tmp", "/srv/cache"),
)
DEAD = "ls: cannot access '/mnt/a: b': Transport endpoint is not connected"


def told(missing: dict[int, str]) -> tuple[str, str]:
    with pytest.raises(PathMissing) as found:
        named.require_there(JOB.access.target, JOB.paths, Facts(missing=missing))
    return found.value.message, found.value.hint


def test_what_the_client_cannot_see_is_told_in_its_own_words() -> None:
    gone = "ls: /srv: No such file or directory"  # as busybox says it
    assert told({2: DEAD, 1: gone, 9: "x"}) == (
        (
            "root@web1 does not show /srv (No such file or directory), "
            "/mnt/a: b (Transport endpoint is not connected)"
        ),
        "a mount there may be dead: mount it anew, or leave the path out",
    )
    assert told({1: gone})[1] == PathMissing.hint
    assert told({1: ""})[0].endswith("/srv (no such path)")
    assert len(told({1: f"ls: {'x' * 9999}"})[0]) < 200


def test_what_the_user_may_not_see_is_left_to_borg_which_knows_what_is_allowed() -> None:
    named.require_there(
        JOB.access.target,
        JOB.paths,
        Facts(missing={3: "ls: cannot access '/root/x': Permission denied"}),
    )


def test_why_a_named_folder_is_empty_in_the_archive() -> None:
    left_out = ({"path": "/mnt/a: b/share", "fstype": "nfs4", "asked": False},)
    source = cast(Source, SimpleNamespace(left_out=left_out))

    def why(path: str) -> Any:
        return _why(JOB, source, path)

    assert "--exclude /srv/cache" in why("/srv/cache")
    assert "/mnt/a: b/share (nfs4)" in why("/mnt/a: b")
    assert why("/root/x") is None
