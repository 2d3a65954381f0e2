"""What goes wrong with the file systems that hold the repository and the state."""

from __future__ import annotations

import errno

from borgpull.errors.base import BorgpullError
from borgpull.errors.repositories import DiskFull

# Errors of a file system as a whole, not of one of its files (errno(3)).
STORAGE = {
    *(errno.EIO, errno.ENOTCONN, errno.ESTALE, errno.ENXIO, errno.ENODEV, errno.EREMOTEIO),
    *(errno.ETIMEDOUT, errno.EHOSTDOWN, errno.EHOSTUNREACH, errno.EUCLEAN, errno.EROFS),
    *(errno.ECONNABORTED, errno.ECONNRESET, errno.ESHUTDOWN),
}
FULL = {errno.ENOSPC, errno.EDQUOT}


class StorageFailed(BorgpullError):
    exit_code = 54
    summary = "the file system of the repository or of the state fails"
    hint = "look at its disk, its network or its mount, and at the kernel's log"


class ClientFull(BorgpullError):
    exit_code = 55
    summary = "the client has no room for what a run needs there (the message names the folder)"
    hint = "make room there, or use sshfs, which needs none"


class RepositoryDamaged(BorgpullError):
    exit_code = 56
    summary = "borg found the repository or an archive in it damaged"
    hint = (
        "look at the disk, and copy the repository before anything else; then see borg's "
        "documentation of check --repair: borgpull borg CLIENT -- check --repair"
    )


class Overdue(BorgpullError):
    exit_code = 57
    summary = (
        "the last good backup, prune, check or drill of a client is longer ago than was allowed "
        "(`status --kube`: or its last try failed)"
    )
    hint = "see the rows that say red; run what is due, and look why it did not run"


def of_storage(error: OSError, folder: object) -> BorgpullError | None:
    """The error of the file system of `folder`; None if the cause is another one."""
    if error.errno in FULL:
        return DiskFull(f"no space left in {folder}")
    if error.errno in STORAGE:
        return StorageFailed(f"the file system of {folder} fails: {error.strerror}")
    return None
