"""Locks on a client's repository: our own flock(2), and locks of borg that a killed run left."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import re
import shutil
import socket
import stat
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from borgpull import events, signals
from borgpull.borg.command import Borg
from borgpull.errors import ConfigError, RepositoryLocked, RepositoryNotWritable, of_storage
from borgpull.events import Emit

HOST_ID_PREFIX = "borgpull-"
RELEASE_SECONDS = 20.0
# borg's names in a folder that it has locked.
EXCLUSIVE, ROSTER = "lock.exclusive", "lock.roster"


def new_host_id(client: str) -> str:
    """A BORG_HOST_ID that no other run has or will have."""
    return f"{HOST_ID_PREFIX}{client}-{os.urandom(6).hex()}"


def is_ours(holder: str, client: str) -> bool:
    """Is the holder of a borg lock a run of ours for this client?

    A holder is a host id, or HOSTID.PID-THREAD (borg 1.4.5, locking.py). Stock borg's host id has
    the host's own name, which may begin with `borgpull-` too.
    """
    ours = rf"{HOST_ID_PREFIX}{re.escape(client)}-[0-9a-f]{{12}}(\.\d+-[0-9a-f]+)?"
    return re.fullmatch(ours, holder) is not None


@contextlib.contextmanager
def lock(repository: Path, wait: float, emit: Emit, *, reading: bool = False) -> Iterator[None]:
    """Our own lock around borg's: flock(2) on a file beside the repository, on the same volume.

    borg's lock cannot tell a dead holder in another container from a live one; the kernel can.
    `reading` accepts a volume that is mounted read-only. There an existing file is locked: flock(2)
    does not need write access.
    Raises RepositoryLocked after `wait` seconds, naming the holder;
    RepositoryNotWritable; DiskFull; StorageFailed.
    """
    path = repository.with_name(f".{repository.name}.lock")
    try:
        repository.parent.mkdir(parents=True, exist_ok=True)
        fd = _open_lock(path, reading)
    except OSError as error:
        if error.errno != errno.EROFS and (found := of_storage(error, repository.parent)):
            raise found from None
        raise RepositoryNotWritable(
            f"cannot write in {repository.parent}: {error.strerror}"
        ) from None
    try:
        _acquire(fd, repository.name, wait, emit)
        _tell_holder(
            fd, {"host": socket.gethostname(), "pid": os.getpid(), "since": int(time.time())}
        )
        yield
    finally:
        _tell_holder(fd, None)
        os.close(fd)


def _open_lock(path: Path, reading: bool) -> int:
    """Raises OSError."""
    common = os.O_CLOEXEC | os.O_NOFOLLOW
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT | common, 0o600)
    except OSError as error:
        if not reading or error.errno != errno.EROFS:
            raise
    try:
        return os.open(path, os.O_RDONLY | common)
    except FileNotFoundError:  # no run of ours has ever written here
        return os.open(path.parent, os.O_RDONLY | common)


def _acquire(fd: int, client: str, wait: float, emit: Emit) -> None:
    deadline = time.monotonic() + wait
    told = False
    while True:
        try:
            _flock(fd)
            return
        except BlockingIOError:
            pass
        except OSError as error:
            raise ConfigError(f"cannot lock the repository of {client}: {error.strerror}") from None
        holder = os.pread(fd, 400, 0).decode(errors="replace").strip() or "unknown"
        if time.monotonic() >= deadline:
            raise RepositoryLocked(f"another run uses the repository of {client}: {holder}")
        if not told:
            events.phase(emit, "wait", f"waiting for another run on {client}: {holder}")
            told = True
        time.sleep(0.25)


def _flock(fd: int) -> None:
    """Lock, or raise BlockingIOError. Raises OSError.

    NFS turns flock(2) into a lock of fcntl(2). It refuses an exclusive lock (EBADF) on a file that
    is open for reading only. A shared lock keeps writers out there, too. A folder on NFS takes no
    lock. So if the lock's file is missing there, a reader works without a lock.
    """
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno != errno.EBADF or not _read_only(fd):
            raise
        if stat.S_ISREG(os.fstat(fd).st_mode):
            fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)


def _read_only(fd: int) -> bool:
    return fcntl.fcntl(fd, fcntl.F_GETFL) & os.O_ACCMODE == os.O_RDONLY


def _tell_holder(fd: int, holder: dict[str, Any] | None) -> None:
    try:
        os.ftruncate(fd, 0)
        if holder is not None:
            os.pwrite(fd, json.dumps(holder).encode(), 0)
    except OSError:  # a full disk: the lock itself holds
        return


def break_stale_locks(borg: Borg, emit: Emit) -> None:
    """Remove borg's lock that a killed run of ours left; to be called with our own lock held.

    Only locks of our own runs are broken. Every run of ours holds the flock while it has a borg
    lock, so its holder is dead. Another borg's lock stays (borg waits for it).
    """
    if stale_locks(borg):
        events.note(emit, "removing the lock of a run that was killed")
        borg.run("break-lock")


def await_release(borg: Borg) -> None:
    """Wait until this run's own `borg serve` has freed its lock, for RELEASE_SECONDS at most.

    It ends a moment after the client's borg. A borg that asks for the lock in that moment would
    wait for a tenth of --lock-wait before asking again (borg/locking.py, TimeoutTimer).
    """
    deadline = time.monotonic() + signals.patience(RELEASE_SECONDS)
    while any(name.startswith(borg.host_id) for name in _lock_holders(borg.repository)):
        if time.monotonic() > deadline:
            return
        time.sleep(0.02)


def free_own(borg: Borg) -> None:
    """Free the locks that dead borgs of this very run have left. Never raises.

    A borg that SIGKILL ends leaves its lock. So may one that SIGTERM ends, if it was just about to
    end. The next run would free the lock, but until then stock borg would wait for it. A borg that
    is alive keeps its lock: `borg mount` outlives its command.
    """
    for folder in _locked_folders(borg):
        with contextlib.suppress(OSError, ValueError):
            _free_exclusive(folder, borg.host_id)
            if borg.host_id in _lock_holders(folder):
                _strike_off(folder, borg.host_id)


def _free_exclusive(folder: Path, host_id: str) -> None:
    """Raises OSError, ValueError."""
    for holder in (folder / EXCLUSIVE).glob(f"{host_id}.*"):
        pid, _, _thread = holder.name.removeprefix(f"{host_id}.").partition("-")
        if not _is_alive(int(pid)):
            holder.unlink()
            holder.parent.rmdir()


def _strike_off(folder: Path, host_id: str) -> None:
    """Remove dead shared locks, with the exclusive one held as borg holds it (1.4.5, locking.py).

    Raises OSError, also where another one has it; ValueError.
    """
    holder, fresh = f"{host_id}.{os.getpid()}-0", folder / f"{EXCLUSIVE}.{host_id}"
    fresh.mkdir()
    try:
        (fresh / holder).touch()
        fresh.replace(folder / EXCLUSIVE)
    except OSError:
        shutil.rmtree(fresh, ignore_errors=True)
        raise
    try:
        _write_roster(folder, host_id)
    finally:
        (folder / EXCLUSIVE / holder).unlink()
        (folder / EXCLUSIVE).rmdir()


def _write_roster(folder: Path, host_id: str) -> None:
    """Raises OSError, ValueError."""
    before = _roster(folder)
    after = {
        name: [entry for entry in group if entry[0] != host_id or _is_alive(int(entry[1]))]
        for name, group in before.items()
    }
    if not any(after.values()):
        (folder / ROSTER).unlink()
    elif after != before:
        fresh = folder / f"{ROSTER}.{host_id}"
        try:
            fresh.write_text(json.dumps(after))
            fresh.replace(folder / ROSTER)
        finally:  # a full disk
            fresh.unlink(missing_ok=True)


def _is_alive(pid: int) -> bool:
    """Is there such a process? One that has ended, and was not waited for, is none."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return stat.rpartition(")")[2].split()[0] not in "ZX"  # proc(5)


def stale_locks(borg: Borg) -> bool:
    """Are there borg locks, all of our own runs? Then they are stale if our flock is free."""
    holders = [name for folder in _locked_folders(borg) for name in _lock_holders(folder)]
    return bool(holders) and all(is_ours(name, borg.client) for name in holders)


def _locked_folders(borg: Borg) -> list[Path]:
    return [borg.repository, *(borg.base / "cache").glob("[0-9a-f]*")]


def _lock_holders(folder: Path) -> list[str]:
    """Holders of borg's lock in a folder: names in lock.exclusive, ids in lock.roster."""
    names = [item.name for item in (folder / EXCLUSIVE).glob("*")]
    with contextlib.suppress(OSError, ValueError):
        names += [str(entry[0]) for group in _roster(folder).values() for entry in group]
    return names


def _roster(folder: Path) -> dict[str, list[list[Any]]]:
    """Host id, process id and thread of holders, by kind of lock. Raises OSError, ValueError."""
    groups = json.loads((folder / ROSTER).read_text())
    if isinstance(groups, dict) and all(map(_is_group, groups.values())):
        return groups
    raise ValueError("no roster")


def _is_group(group: object) -> bool:
    def is_entry(entry: object) -> bool:
        match entry:
            case [str(), int(), int()]:
                return True
        return False

    return isinstance(group, list) and all(map(is_entry, group))
