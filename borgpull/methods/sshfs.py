"""sshfs: the client's tree is mounted read-only in a jail, and borg walks it there.

Needs nothing on the client but SFTP; writes nothing there. SFTP loses hard links, xattrs, ACLs,
device numbers and nanoseconds, which the result counts.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from borgpull import events
from borgpull.borg import filescache, repository
from borgpull.borg.command import Borg, exclude_args
from borgpull.borg.create import Created, Order, create
from borgpull.errors import PathMissing
from borgpull.events import Emit
from borgpull.methods import clientmounts, losses
from borgpull.methods.base import Source
from borgpull.methods.comparison import Verifier
from borgpull.model import JobSpec
from borgpull.sidecar import jail as jails
from borgpull.sidecar import namespace as namespaces
from borgpull.sidecar import sshfs
from borgpull.ssh import config as ssh_config
from borgpull.ssh import sftp

# --noflags halves the SFTP requests of an unchanged file; there are no flags over SFTP anyway, nor
# ACLs or xattrs, and sshfs's ctime is its mtime (facts, sections 0 and 3).
CREATE_ARGS = ("--noflags", "--noacls", "--noxattrs", "--noctime", "--files-cache", "mtime,size")


@contextlib.contextmanager
def open_source(job: JobSpec, borg: Borg, folder: Path, emit: Emit) -> Iterator[Source]:
    """Mount the client and yield where borg runs. Raises the errors of ssh, mounts and paths."""
    assert job.target is not None
    namespaces.require_fuse()
    config = ssh_config.write(folder, job.target, job.places)
    events.phase(emit, "connect", f"connecting to {job.target}")
    mountinfo = sftp.fetch(config, "/proc/self/mountinfo", folder / "mountinfo")
    left_out = clientmounts.to_leave_out(mountinfo, job.paths)
    with contextlib.ExitStack() as stack:
        cache = stack.enter_context(filescache.generation(borg.base))
        namespace = stack.enter_context(namespaces.namespace())
        root = folder / "jail"
        root.mkdir()
        writable = (str(borg.repository), str(borg.base))
        jail = jails.build(namespace, jails.JailSpec(str(root), job.client, writable))
        process = stack.enter_context(sshfs.mounted(jail, config, jail.spec.tree))
        _look_at_client(jail, job, emit)
        inner = replace(
            borg,
            prefix=jail.prefix(jail.spec.tree),
            extra_env={**borg.extra_env, "BORG_FILES_CACHE_SUFFIX": cache.suffix},
        )
        options = [*CREATE_ARGS, *exclude_args([item.pattern() for item in left_out])]
        paths = [path.lstrip("/") or "." for path in job.paths]

        def save(order: Order) -> Created:
            words = order.words(*options, paths=paths)
            return create(inner, order, words, alive=process.alive, emit=emit)

        yield Source(
            left_out=tuple({"path": item.path, "fstype": item.fstype} for item in left_out),
            alive=process.alive,
            create=save,
            verify=Verifier(borg, jail, config, time.time()),
            rename=lambda old, new: repository.rename(borg, old, new),
            accept=cache.promote,
            archives=lambda: None,
            losses=lambda: losses.count(config, job.paths, [item.path for item in left_out]),
        )


def _look_at_client(jail: jails.Jail, job: JobSpec, emit: Emit) -> None:
    seen = jails.adopt_client(jail, job.paths)
    if seen["missing"]:
        raise PathMissing(f"not on {job.target}: {', '.join(seen['missing'])}")
    if seen["symlinks"]:
        path, link = next(iter(seen["symlinks"].items()))
        raise PathMissing(
            f"{path} leads through the symlink {link} on {job.target}",
            hint="name the path without symlinks on the way (readlink -f there shows it)",
        )
    if "passwd" not in seen["names"]:
        events.warning(emit, "the client has no /etc/passwd: owners are saved as numbers only")
