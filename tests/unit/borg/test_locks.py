"""Our lock beside a repository, and which of borg's locks are of dead runs of ours."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from borgpull.borg import locks
from borgpull.borg.command import Borg
from borgpull.errors import ConfigError, Interrupted, RepositoryLocked
from borgpull.events import Event
from borgpull.jobs import Acknowledge
from borgpull.ops import workspace
from borgpull.places import Places

OURS = "borgpull-web.1-0123456789ab"
DEAD = 1 << 22  # one more than the largest process id (proc(5), pid_max)


def emit(_event: Event) -> None:
    """Nobody listens."""


@pytest.fixture
def borg(tmp_path: Path) -> Borg:
    repository = tmp_path / "repo" / "web.1"
    repository.mkdir(parents=True)
    return Borg(
        client="web.1", repository=repository, base=tmp_path / "b", passphrase=None, host_id=OURS
    )


@pytest.mark.parametrize(
    ("holder", "stale"),
    [
        (f"{OURS}.17-0", True),
        ("borgpull-web.1-8072a8162316.1-7f00", True),
        # Stock borg on hosts that are called so.
        ("borgpull-web.1@2485377892354.17-0", False),
        ("borgpull-server@2485377892354.17-0", False),
        (f"{OURS}@2485377892354.17-0", False),
        ("borgpull-webx1-0123456789ab.17-0", False),
        ("borgpull-other-0123456789ab.17-0", False),
    ],
)
def test_only_locks_of_our_own_making_are_stale(borg: Borg, holder: str, stale: bool) -> None:
    (borg.repository / "lock.exclusive").mkdir()
    (borg.repository / "lock.exclusive" / holder).touch()
    assert locks.stale_locks(borg) is stale
    (borg.repository / "lock.exclusive" / holder).unlink()
    roster = {"shared": [[holder.rpartition(".")[0], 17, 0]]}
    (borg.repository / "lock.roster").write_text(json.dumps(roster))
    assert locks.stale_locks(borg) is stale


HOLD = """
import os, sys
from pathlib import Path
from typing import Any
folder = Path(sys.argv[1])
(folder / "lock.exclusive").mkdir()
(folder / "lock.exclusive" / f"{sys.argv[2]}.{os.getpid()}-0").touch()
os.kill(os.getpid(), 9)
"""


@pytest.mark.parametrize(
    ("opened", "where"),
    [
        (workspace.locked_borg, "repository"),
        (workspace.locked_borg, "cache"),
        (partial(workspace.reading_borg, lock_wait=0), "repository"),
    ],
)
@pytest.mark.parametrize("error", [Interrupted(15), None])
def test_a_job_leaves_no_lock_of_a_borg_that_was_killed(
    tmp_path: Path, opened: Any, where: str, error: Exception | None
) -> None:
    """SIGTERM at the wrong moment does not let borg free it."""
    places = Places(repo=str(tmp_path), state=str(tmp_path), passphrase="/none")
    job = Acknowledge(client="web", places=places)
    expected = pytest.raises(Interrupted) if error else contextlib.nullcontext()
    (tmp_path / "web").mkdir()
    (tmp_path / "web" / "config").write_text("[repository]\n")
    with expected, opened(job, emit) as own:
        folder = own.repository if where == "repository" else own.base / "cache" / "0f"
        folder.mkdir(parents=True, exist_ok=True)
        argv = [sys.executable, "-c", HOLD, str(folder), own.host_id]
        assert subprocess.run(argv, check=False).returncode == -9
        (folder / "lock.roster").write_text(json.dumps({"shared": [[own.host_id, DEAD, 0]]}))
        if error:
            raise error
    assert not list(folder.glob("lock.*"))


def hold(folder: Path, host_id: str, pid: int) -> dict[str, list[list[object]]]:
    """A lock of that process, exclusive and shared."""
    (folder / "lock.exclusive").mkdir()
    (folder / "lock.exclusive" / f"{host_id}.{pid}-0").touch()
    roster: dict[str, list[list[object]]] = {"shared": [[host_id, pid, 0]]}
    (folder / "lock.roster").write_text(json.dumps(roster))
    return roster


def test_a_lock_that_others_hold_as_well_is_left_to_them(borg: Borg) -> None:
    other = ["nas@2485377892354", 18, 0]
    (borg.repository / "lock.roster").write_text(json.dumps({"shared": [[OURS, DEAD, 0], other]}))
    locks.free_own(borg)
    assert json.loads((borg.repository / "lock.roster").read_text()) == {"shared": [other]}
    assert not (borg.repository / "lock.exclusive").exists()


def test_a_roster_is_left_alone_while_another_one_may_write_it(borg: Borg) -> None:
    roster = hold(borg.repository, "nas@2485377892354", 18)
    roster["shared"].append([OURS, DEAD, 0])
    (borg.repository / "lock.roster").write_text(json.dumps(roster))
    before = sorted(path.name for path in borg.repository.rglob("*"))
    locks.free_own(borg)
    assert json.loads((borg.repository / "lock.roster").read_text()) == roster
    assert sorted(path.name for path in borg.repository.rglob("*")) == before


def test_a_borg_that_is_alive_keeps_its_lock(borg: Borg) -> None:
    """`borg mount` outlives its command."""
    roster = hold(borg.repository, OURS, os.getpid())
    locks.free_own(borg)
    assert json.loads((borg.repository / "lock.roster").read_text()) == roster
    assert [*(borg.repository / "lock.exclusive").iterdir()]


@pytest.mark.parametrize(
    "text", ["[]", '{"shared":[[]]}', '{"shared":[1]}', '{"a":1}', '{"a":[["x",null,0]]}', ""]
)
def test_a_roster_that_is_none_hides_no_error(borg: Borg, text: str) -> None:
    (borg.repository / "lock.roster").write_text(text)
    locks.free_own(borg)
    assert not locks.stale_locks(borg)
    assert (borg.repository / "lock.roster").read_text() == text


Flock = Callable[[int, int], None]


@pytest.fixture
def nfs(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """flock(2) as on NFS, mounted read-only: an exclusive lock needs a file open for writing."""
    asked: list[int] = []

    def flock(fd: int, operation: int) -> None:
        asked.append(operation & ~fcntl.LOCK_NB)
        if operation & fcntl.LOCK_EX and not fcntl.fcntl(fd, fcntl.F_GETFL) & os.O_ACCMODE:
            raise OSError(errno.EBADF, os.strerror(errno.EBADF))

    def read_only(path: Path, _reading: bool) -> int:
        return os.open(path if path.exists() else path.parent, os.O_RDONLY)

    monkeypatch.setattr(fcntl, "flock", flock)
    monkeypatch.setattr(locks, "_open_lock", read_only)
    return asked


def test_a_read_only_mount_of_nfs_is_locked_by_a_shared_lock(borg: Borg, nfs: list[int]) -> None:
    borg.repository.with_name(".web.1.lock").touch()
    with locks.lock(borg.repository, 0, emit, reading=True):
        assert nfs == [fcntl.LOCK_EX, fcntl.LOCK_SH]


def test_a_folder_of_nfs_is_not_locked(borg: Borg, nfs: list[int]) -> None:
    with locks.lock(borg.repository, 0, emit, reading=True):
        assert nfs == [fcntl.LOCK_EX]


@pytest.mark.parametrize(
    ("number", "error"), [(errno.EBADF, ConfigError), (errno.EAGAIN, RepositoryLocked)]
)
def test_who_writes_needs_the_exclusive_lock(
    borg: Borg, monkeypatch: pytest.MonkeyPatch, number: int, error: type[Exception]
) -> None:
    def flock(_fd: int, _operation: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", flock)
    with pytest.raises(error), locks.lock(borg.repository, 0, emit):
        pass
