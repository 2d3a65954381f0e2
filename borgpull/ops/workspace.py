"""What every job on a repository stands on: its private folder, its borg, its lock."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from borgpull import jobs
from borgpull.borg import guard, locks, repository
from borgpull.borg.command import Borg
from borgpull.errors import ConfigError, RepositoryNotWritable, of_storage
from borgpull.events import Emit
from borgpull.ops.private import private_folder
from borgpull.places import Places
from borgpull.secrets import read_passphrase


def open_borg(job: jobs.Job, lock_wait: int = jobs.LOCK_WAIT) -> Borg:
    """borg for a job's client, outside of any jail. Makes nothing. Raises ConfigError."""
    return Borg(
        client=job.client,
        repository=Path(job.places.repo) / job.client,
        base=Path(job.places.state) / "clients" / job.client / "borg",
        passphrase=read_passphrase(Path(job.places.passphrase)),
        host_id=locks.new_host_id(job.client),
        lock_wait=lock_wait,
    )


def make_base(borg: Borg) -> None:
    """The folder for what must last. Raises ConfigError, DiskFull, StorageFailed."""
    try:
        borg.base.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        found = of_storage(error, borg.base)
        raise found or ConfigError(f"cannot make {borg.base}: {error.strerror}") from None


@contextmanager
def owned(places: Places) -> Iterator[None]:
    """Raises RepositoryNotWritable for another user's file in the repository or the state."""
    try:
        yield
    except PermissionError as error:
        path = Path(os.fsdecode(error.filename or ""))
        if not any(path.is_relative_to(place) for place in (places.repo, places.state)):
            raise
        raise RepositoryNotWritable(
            f"user {os.geteuid()} may not use {path}{_owner(path)}"
        ) from None


def _owner(path: Path) -> str:
    try:
        return f", which is of user {path.stat().st_uid}"
    except OSError:  # a folder above it is another user's
        return ""


@contextmanager
def locked_borg(job: jobs.Locking, emit: Emit, *, make: str | None = None) -> Iterator[Borg]:
    """borg for a job that writes, with our lock held and a killed run's locks removed.

    Raises RepositoryMissing before anything is made. With the encryption `make`, the job may make
    the repository; then PassphraseMissing can be raised. Raises RepositoryTampered if the client of
    a killed run has changed the repository's configuration. It is put back, so the next call works.
    Raises RepositoryNotWritable for another user's files, in the body too.
    """
    borg = open_borg(job, job.lock_wait)
    if make is None:
        repository.require(borg.repository, job.client)
    elif not repository.exists(borg.repository):
        repository.check_init(borg, make)
    make_base(borg)
    with owned(job.places), locks.lock(borg.repository, job.lock_wait, emit):
        guard.settle(borg.repository, guard.keep_of(borg))
        locks.break_stale_locks(borg, emit)
        try:
            yield borg
        finally:
            locks.free_own(borg)


@contextmanager
def looking_borg(job: jobs.Job) -> Iterator[Borg]:
    """borg for a job that only reads lists, without any lock: a backup may run meanwhile.

    Its commands have --bypass-lock, so they cannot write to the repository (`Borg.argv`).
    Raises RepositoryMissing, ConfigError, RepositoryNotWritable.
    """
    borg = open_borg(job)
    repository.require(borg.repository, job.client)
    with owned(job.places), private_folder() as folder:
        yield _with_own(borg, folder)


def _with_own(borg: Borg, folder: Path) -> Borg:
    """borg with an empty cache, and a copy of the security folder.

    borg locks an existing cache. It compares the repository with what cache and security folder
    have seen. A backup makes both newer than what a parallel reader has read, and borg calls that
    an attack. So the security folder is copied before anything is read. Each writer commits to the
    repository first (borg 1.4.5, archive.py, save), so no backup makes the copy the newer one. A
    repository that was put back from an older copy is still refused.
    """
    own = folder / "borg"
    for path in (borg.base / "security").glob("*/*"):
        copy = own / "security" / path.parent.name / path.name
        copy.parent.mkdir(parents=True, exist_ok=True)
        with suppress(FileNotFoundError):  # a temporary file of a writer's
            copy.write_bytes(path.read_bytes())
    return borg._replace(own=own)


@contextmanager
def reading_borg(job: jobs.Job, emit: Emit, *, lock_wait: int) -> Iterator[Borg]:
    """borg for a job that only reads, with our lock held: nothing is freed meanwhile.

    It leaves the cache alone, which may be newer than what it has read. The repository may be
    mounted read-only, and a killed run may have left its index behind the last commit: commands
    with --bypass-lock need neither (`inside/replayed.py`). Raises as `locked_borg`.
    """
    borg = open_borg(job, lock_wait)
    repository.require(borg.repository, job.client)
    make_base(borg)
    with (
        owned(job.places),
        locks.lock(borg.repository, lock_wait, emit, reading=True),
        private_folder() as folder,
    ):
        if os.access(borg.repository, os.W_OK):
            guard.settle(borg.repository, guard.keep_of(borg))
        try:
            yield _with_own(borg, folder)
        finally:
            locks.free_own(borg)
