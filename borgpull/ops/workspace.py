"""What every job on a repository stands on: its private folder, its borg, its lock."""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from borgpull.borg import guard, repository
from borgpull.borg.command import Borg
from borgpull.errors import ConfigError, DiskFull, RepositoryNotWritable
from borgpull.events import Emit
from borgpull.model import JobSpec
from borgpull.secrets import read_passphrase

# Memory first: the copy of the ssh key should not touch a disk.
TEMP_PLACES = ("/dev/shm", "/run", "/tmp")  # noqa: S108 - mkdtemp makes a 0700 folder


@contextmanager
def private_folder() -> Iterator[Path]:
    """A 0700 folder that is removed with the job. Raises ConfigError where none can be made."""
    folder = None
    for place in TEMP_PLACES:
        try:
            folder = Path(tempfile.mkdtemp(prefix="borgpull-", dir=place))
            break
        except OSError:
            continue
    if folder is None:
        raise ConfigError("no folder for temporary files", hint="give the container --tmpfs /tmp")
    try:
        yield folder
    finally:
        # Mounts below it live in the job's namespace only, so here it holds plain files.
        shutil.rmtree(folder, ignore_errors=True)


def open_borg(job: JobSpec) -> Borg:
    """borg for a job's client, outside of any jail. Makes nothing. Raises ConfigError."""
    return Borg(
        client=job.client,
        repository=Path(job.places.repo) / job.client,
        base=Path(job.places.state) / "clients" / job.client / "borg",
        passphrase=read_passphrase(Path(job.places.passphrase)),
        host_id=repository.new_host_id(job.client),
        lock_wait=job.lock_wait,
    )


def make_base(borg: Borg) -> None:
    """The folder for what must last. Raises ConfigError, DiskFull."""
    try:
        borg.base.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise DiskFull(f"no space left in {borg.base}") from None
        raise ConfigError(f"cannot make {borg.base}: {error.strerror}") from None


@contextmanager
def owned(job: JobSpec) -> Iterator[None]:
    """Raises RepositoryNotWritable for a file in repository or state that is another user's."""
    try:
        yield
    except PermissionError as error:
        path = Path(os.fsdecode(error.filename or ""))
        if not any(path.is_relative_to(place) for place in (job.places.repo, job.places.state)):
            raise
        raise RepositoryNotWritable(
            f"user {os.geteuid()} may not use {path}{_owner(path)}"
        ) from None


def _owner(path: Path) -> str:
    try:
        return f", which is of user {path.stat().st_uid}"
    except OSError:  # a folder above it is somebody else's
        return ""


@contextmanager
def locked_borg(job: JobSpec, emit: Emit, *, may_init: bool = False) -> Iterator[Borg]:
    """borg for a job that writes, with our lock held and a killed run's locks removed.

    Raises RepositoryMissing before anything is made, unless the job may make the repository; then
    PassphraseMissing. Raises RepositoryTampered where the client of a run that was killed has
    changed the repository's configuration; it is put back, so that the next call does not. Raises
    RepositoryNotWritable where another user's files are in the way, in the body, too.
    """
    borg = open_borg(job)
    if not may_init:
        repository.require(borg.repository, job.client)
    elif not repository.exists(borg.repository):
        repository.check_init(borg, job.encryption)
    make_base(borg)
    with owned(job), repository.lock(borg.repository, job.lock_wait, emit):
        guard.settle(borg.repository, guard.keep_of(borg))
        repository.break_stale_locks(borg, emit)
        yield borg


@contextmanager
def reading_borg(job: JobSpec, emit: Emit) -> Iterator[Borg]:
    """borg for a job that only reads, with our lock held: nothing is freed meanwhile.

    The repository may be mounted read-only. Raises as `locked_borg`.
    """
    borg = open_borg(job)
    repository.require(borg.repository, job.client)
    make_base(borg)
    with owned(job), repository.lock(borg.repository, job.lock_wait, emit, reading=True):
        if os.access(borg.repository, os.W_OK):
            guard.settle(borg.repository, guard.keep_of(borg))
        yield borg
