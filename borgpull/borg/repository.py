"""A client's repository: is it there, make it, its archives, and its locks."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import re
import socket
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from borgpull import events
from borgpull.borg.command import Borg
from borgpull.errors import (
    ArchiveMissing,
    ConfigError,
    DiskFull,
    PassphraseMissing,
    RepositoryExists,
    RepositoryLocked,
    RepositoryMissing,
    RepositoryNotWritable,
    VerificationFailed,
)
from borgpull.events import Emit
from borgpull.process import passthrough
from borgpull.secrets import as_fd

HOST_ID_PREFIX = "borgpull-"
UNVERIFIED = ".unverified-"
RELEASE_SECONDS = 20.0


def new_host_id(client: str) -> str:
    """A BORG_HOST_ID that no other run has or will have."""
    return f"{HOST_ID_PREFIX}{client}-{os.urandom(6).hex()}"


def exists(path: Path) -> bool:
    return (path / "config").is_file()


def require(path: Path, client: str) -> None:
    """Raises RepositoryMissing."""
    if not exists(path):
        raise RepositoryMissing(
            f"there is no repository for {client} in {path.parent}",
            hint=f"make it with `borgpull init {client}`, or with --init on the first run",
        )


def check_init(borg: Borg, encryption: str) -> None:
    """What can be said before anything is touched. Raises RepositoryExists, PassphraseMissing."""
    if exists(borg.repository):
        raise RepositoryExists(f"there is already a repository for {borg.client}")
    if (
        encryption != "none"
        and borg.passphrase is None
        and not encryption.startswith("authenticated")
    ):
        raise PassphraseMissing(
            f"a repository with encryption {encryption} needs a passphrase",
            hint="give --passphrase-file FILE, or --encryption none if you mean it",
        )


def init(borg: Borg, encryption: str) -> None:
    """`borg init`. Raises as `check_init`, and borg's errors."""
    check_init(borg, encryption)
    borg.run("init", "--encryption", encryption)


def archives(borg: Borg) -> list[dict[str, Any]]:
    """The archives, oldest first, unverified ones among them."""
    return list(borg.json("list", "--bypass-lock", "--consider-checkpoints")["archives"])


def opened(borg: Borg, name: str) -> str | None:
    """The id of an archive of that name, which borg has read and authenticated; None without one.

    Raises BorgFailed where that fails. `{end}` is in the archive itself, and not in the list.
    """
    pattern = re.sub(r"([*?\[])", r"[\1]", name).replace("{", "{{").replace("}", "}}")
    words = ["--bypass-lock", "--consider-checkpoints", "--format", "{archive}{end}"]
    found = borg.json("list", *words, "--glob-archives", pattern)["archives"]
    return next((str(item["id"]) for item in found if item["name"] == name), None)


def items(borg: Borg, archive: str) -> Iterator[dict[str, Any]]:
    """The items of an archive as `borg list --json-lines` prints them."""
    done = borg.run("list", "--bypass-lock", "--json-lines", f"::{archive}")
    for line in done.stdout.splitlines():
        yield dict(json.loads(line))


def key_reminder(client: str, encryption: str) -> str:
    """What to tell after `init`: without the key or the passphrase there is no restore."""
    if encryption == "none":
        return "this repository is not encrypted: whoever reads its files reads the backups"
    return (
        "keep a copy of the repository's key, and its passphrase, somewhere else: "
        f"borgpull borg {client} -- key export :: -"
    )


def stock(borg: Borg, args: Sequence[str]) -> int:
    """Run stock borg with our standard output and error; returns its exit code."""
    with as_fd(borg.passphrase) as fd:
        env = borg.env(fd)
        return passthrough(["borg", *args], env=env, pass_fds=() if fd is None else (fd,))


def rename(borg: Borg, old: str, new: str) -> None:
    """`borg rename`. Raises borg's errors."""
    borg.run("rename", f"::{old}", new)


def not_there(name: str) -> VerificationFailed:
    """The error for an archive that a client says it made."""
    return VerificationFailed(
        f"the repository does not have the archive {name or '(no name)'} of the client",
        hint="run again; if it stays, look at the client",
    )


def is_verified(name: str) -> bool:
    """False for our temporary names and borg's checkpoints."""
    return UNVERIFIED not in name and ".checkpoint" not in name


def latest(borg: Borg) -> str:
    """The newest verified archive's name. Raises ArchiveMissing."""
    names = [item["name"] for item in archives(borg) if is_verified(item["name"])]
    if not names:
        raise ArchiveMissing(f"{borg.client} has no archive yet")
    return str(names[-1])


@contextmanager
def lock(repository: Path, wait: float, emit: Emit, *, reading: bool = False) -> Iterator[None]:
    """Our own lock around borg's: flock(2) on a file beside the repository, on the same volume.

    borg's lock cannot tell a dead holder in another container from a live one; the kernel can.
    `reading` takes a volume that is mounted read-only, too: there the file is locked if there is
    one, as flock(2) does not ask how it was opened.
    Raises RepositoryLocked after `wait` seconds, naming the holder;
    RepositoryNotWritable; DiskFull.
    """
    path = repository.with_name(f".{repository.name}.lock")
    try:
        repository.parent.mkdir(parents=True, exist_ok=True)
        fd = _open_lock(path, reading)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise DiskFull(f"no space left in {repository.parent}") from None
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
    except FileNotFoundError:  # nobody of ours has ever written here
        return os.open(path.parent, os.O_RDONLY | common)


def _acquire(fd: int, client: str, wait: float, emit: Emit) -> None:
    deadline = time.monotonic() + wait
    told = False
    while True:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
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


def _tell_holder(fd: int, holder: dict[str, Any] | None) -> None:
    try:
        os.ftruncate(fd, 0)
        if holder is not None:
            os.pwrite(fd, json.dumps(holder).encode(), 0)
    except OSError:  # a full disk: the lock itself holds
        return


def break_stale_locks(borg: Borg, emit: Emit) -> None:
    """Free what a killed run of ours left; to be called with our own lock held.

    Only locks of our own making are broken: every run of ours holds the flock while it has one, so
    its holder is dead. A lock of somebody else's borg is left alone (borg waits for it).
    """
    if stale_locks(borg):
        events.note(emit, "removing the lock of a run that was killed")
        borg.run("break-lock")


def await_release(borg: Borg) -> None:
    """Wait until this run's own `borg serve` has freed its lock, for RELEASE_SECONDS at most.

    It ends a moment after the client's borg. Who asks for the lock in that moment waits for a tenth
    of --lock-wait before asking again (borg/locking.py, TimeoutTimer).
    """
    deadline = time.monotonic() + RELEASE_SECONDS
    while any(name.startswith(borg.host_id) for name in _lock_holders(borg.repository)):
        if time.monotonic() > deadline:
            return
        time.sleep(0.02)


def stale_locks(borg: Borg) -> bool:
    """Are there locks of borg, all of our own making? They are stale if our flock is free."""
    folders = [borg.repository, *(borg.base / "cache").glob("[0-9a-f]*")]
    holders = [name for folder in folders for name in _lock_holders(folder)]
    return bool(holders) and all(name.startswith(HOST_ID_PREFIX) for name in holders)


def _lock_holders(folder: Path) -> list[str]:
    """Holders of borg's lock in a folder: names in lock.exclusive, ids in lock.roster."""
    names = [item.name for item in (folder / "lock.exclusive").glob("*")]
    try:
        roster = json.loads((folder / "lock.roster").read_text())
    except (OSError, ValueError):
        return names
    return names + [str(entry[0]) for group in roster.values() for entry in group]
