"""The guard of a repository's configuration while a client can talk to `borg serve`.

`--append-only` does not cover the file `config`: the call save_key rewrites it (borg 1.4.5,
repository.py, save_key and save_config; remote.py, rpc_methods). With another key in it, no archive
can be read any more. check rewrites it too. No step of a backup (create, rename, delete, prune,
list) writes it: the other callers of save_config are init, `borg config`, `borg key` and upgrade.
So any change during a session is the client's, and is undone.

The file `nonce` is never put back: with a lower number, borg would encrypt two blocks with the same
AES-CTR counter.
"""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from borgpull.borg.command import Borg
from borgpull.errors import ConfigError, RepositoryTampered, of_storage

GUARDED = ("config", "README")


def keep_of(borg: Borg) -> Path:
    """The file with the copy of a client's configuration: in the state, outside of the jail."""
    return borg.base.with_name("config-guard.json")


@contextmanager
def config_guard(repository: Path, keep: Path) -> Iterator[None]:
    """Undo any change of the configuration inside; to be used with our lock held.

    `keep` is a file in the state. It exists while the guard is up, so `settle` finds it after a
    killed run. Each `borg serve` for the client must end before the guard does.
    Raises RepositoryTampered (over any error from inside), DiskFull, ConfigError.
    """
    settle(repository, keep)
    with _os_errors(keep):
        _write(keep, json.dumps(_read(repository)).encode())
    try:
        yield
    finally:
        settle(repository, keep)


def settle(repository: Path, keep: Path) -> None:
    """End a guard: compare with its copy, put back what differs, remove the copy.

    Does nothing if there is no copy. To be called with our lock held, before a run uses the
    repository: an earlier run may have been killed. This server may change the configuration, but
    only after the comparison. The client's version is kept as `KEEP.refused`.
    Raises RepositoryTampered, DiskFull, ConfigError; the copy stays if it could not be put back.
    """
    with _os_errors(keep):
        try:
            good: dict[str, str] = json.loads(keep.read_bytes())
        except FileNotFoundError:
            return
        found = _read(repository)
        changed = _changed(repository, good, found)
        if changed:
            # Only the last version is kept: a client must not fill the disk with them.
            _write(keep.with_name(f"{keep.name}.refused"), json.dumps(found).encode())
        for name in changed:
            _write(repository / name, good[name].encode("latin-1"))
        keep.unlink()
    if changed:
        raise RepositoryTampered(
            f"the client changed {' and '.join(changed)} of {repository}: put back as it was, and "
            f"what the client wrote is in {keep.name}.refused"
        )


def compare(repository: Path, keep: Path) -> None:
    """Within a guard: has a session of the client changed anything by now?

    Raises RepositoryTampered, as the guard's end will. So no further step uses a changed
    configuration.
    """
    with _os_errors(keep):
        changed = _changed(repository, json.loads(keep.read_bytes()), _read(repository))
    if changed:
        raise RepositoryTampered(f"the client changed {' and '.join(changed)} of {repository}")


def _changed(repository: Path, good: dict[str, str], found: dict[str, str]) -> list[str]:
    # A repository that is gone altogether was removed here: no client can do that.
    return [name for name in good if repository.is_dir() and found.get(name) != good[name]]


def _read(repository: Path) -> dict[str, str]:
    """The guarded files that are there; bytes as Latin-1, which has a character for each."""
    found = {}
    for name in GUARDED:
        with suppress(FileNotFoundError):
            found[name] = (repository / name).read_bytes().decode("latin-1")
    return found


def _write(path: Path, data: bytes) -> None:
    """Make or replace a file in one step, on the disk when this returns.

    It gets the owner and the mode of the one that it replaces, else it is ours alone.
    """
    fresh = path.with_name(f"{path.name}.new")
    fresh.unlink(missing_ok=True)
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        with suppress(FileNotFoundError):
            old = path.stat()
            os.fchown(file.fileno(), old.st_uid, old.st_gid)
            os.fchmod(file.fileno(), stat.S_IMODE(old.st_mode))
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


@contextmanager
def _os_errors(keep: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise of_storage(error, keep) or ConfigError(
            f"the repository's configuration cannot be guarded by {keep}: {error}"
        ) from None
