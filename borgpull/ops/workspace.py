"""What every job on a repository stands on: its private folder, its borg, its lock."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from borgpull.borg import repository
from borgpull.borg.command import Borg
from borgpull.errors import ConfigError, DiskFull
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
    """borg for a job's client, outside of any jail. Raises ConfigError, DiskFull."""
    base = Path(job.places.state) / "clients" / job.client / "borg"
    try:
        base.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        if error.errno in (28, 122):
            raise DiskFull(f"no space left in {job.places.state}") from None
        raise ConfigError(f"cannot write in {job.places.state}: {error.strerror}") from None
    return Borg(
        client=job.client,
        repository=Path(job.places.repo) / job.client,
        base=base,
        passphrase=read_passphrase(Path(job.places.passphrase)),
        host_id=repository.new_host_id(job.client),
        lock_wait=job.lock_wait,
    )


@contextmanager
def locked_borg(job: JobSpec, emit: Emit) -> Iterator[Borg]:
    """borg for a job that writes, with our lock held and a killed run's locks removed."""
    borg = open_borg(job)
    with repository.lock(borg.repository, job.lock_wait, emit):
        repository.break_stale_locks(borg, emit)
        yield borg
