"""The client's own walk shows what SFTP's listings lack."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

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
    assert rows == [{"unnameable": "srv/deep"}, {"skew": None, "more": {}}]


def test_names_that_were_not_listed(tmp_path: Path) -> None:
    (tmp_path / "new").touch()
    names = ["/srv", "/srv/known", "/srv/gone", "/srv/gone/in", "/srv/out", f"{tmp_path}/new"]
    walk = b"borgpull-walk 0\0" + b"".join(name.encode() + b"\0" for name in names)
    said = b"find: '/srv/shut': Permission denied\ncode 1"
    *rows, last = found(walk + b"\0" + said + b"\0", "srv", "srv/known")
    shut = {"absent": "srv/shut", "why": "find: '/srv/shut': Permission denied"}
    assert rows == [{"came": f"{tmp_path}/new"[1:]}, shut]
    assert last["skew"] is not None
