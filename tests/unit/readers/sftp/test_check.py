"""The client's own walk shows what SFTP's listings lack."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from borgpull.jail.clientwalk import ClientWalk
from borgpull.jail.wanted import Known, Plan
from borgpull.process import pipe
from borgpull.readers.sftp import check
from borgpull.readers.sftp.link import Link
from tests.support import evil_sftp


def found(walk: bytes, *known: str, deep: tuple[str, ...] = ()) -> list[dict[str, Any]]:
    plan = Plan(["/srv"], [], [], [], [], ["/srv/out"], 0.0)
    seen = Known()
    for name in known:
        seen.add(name)
    argv = [sys.executable, evil_sftp.__file__, "none"]
    with (
        pipe() as (reader, writer),
        subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0) as server,
    ):
        assert server.stdin is not None and server.stdout is not None
        link = Link(server.stdout.fileno(), server.stdin.fileno())
        link.hello()
        writer.write(walk)
        writer.close()
        rows = list(check.findings(plan, seen, deep, ClientWalk(reader.fileno()), link))
        server.kill()
    return rows


def test_without_a_shell_nothing_is_sure() -> None:
    rows = found(b"This service allows sftp connections only.\n", deep=("srv/deep", "srv/out/deep"))
    none: dict[str, Any] = {"skew": None, "more": {}, "walked": False, "checked": False}
    assert rows == [{"unnameable": "srv/deep"}, none]


def test_names_that_were_not_listed(tmp_path: Path) -> None:
    (tmp_path / "new").touch()
    names = ["/srv", "/srv/known", "/srv/gone", "/srv/gone/in", "/srv/out", f"{tmp_path}/new"]
    walk = b"borgpull-walk 0 GNU\0" + b"".join(name.encode() + b"\0" for name in names)
    said = b"find: '/srv/shut': Permission denied\ncode 1"
    *rows, last = found(walk + b"\0" + said + b"\0", "srv", "srv/known")
    shut = {"absent": "srv/shut", "why": "find: '/srv/shut': Permission denied"}
    # SFTP does not know one of them. The client's shell is asked for both.
    assert rows == [{"came": f"{tmp_path}/new"[1:]}, {"denied": "srv/gone"}, shut]
    assert last["skew"] is not None and last["walked"] and last["checked"]


@pytest.mark.parametrize(
    ("walk", "walked", "checked"),
    [
        (b"0 GNU\0/srv\0/srv/a\0\0code 0\0", True, True),
        (b"0\0/srv\0/srv/a\0\0code 0\0", True, False),
        (b"0 GNU\0/srv\0\0code 0\0", False, False),
        (b"0 GNU\0/srv\0/srv/no-such-name\0\0code 0\0", False, False),
        (b"0 GNU\0\0find: '/srv': No such file or directory\ncode 1\0", False, False),
        (b"0 GNU\0/srv/a\0\0code 0\0", False, False),
    ],
)
def test_a_walk_that_cannot_tell_all_checks_nothing(
    walk: bytes, walked: bool, checked: bool
) -> None:
    """busybox's find does not tell that a listing broke off, and a shell may be in another tree."""
    *rows, last = found(b"borgpull-walk " + walk, "srv", "srv/a")
    assert (rows, last["walked"], last["checked"]) == ([], walked, checked)
    *_, last = found(b"borgpull-walk 0 GNU\0\0code 0\0", "other")
    assert last["checked"], "the named path is not known to SFTP, either: the run fails for that"
