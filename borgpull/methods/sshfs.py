"""sshfs: the client's tree is mounted read-only in a jail, and borg walks it there.

Needs nothing on the client but SFTP; writes nothing there. SFTP loses hard links, xattrs, ACLs,
device numbers and nanoseconds, which the result counts.
"""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from borgpull import events
from borgpull.borg.command import Borg, exclude_args
from borgpull.errors import ConnectionLost, PathMissing, VerificationFailed
from borgpull.events import Emit
from borgpull.methods import clientmounts, losses
from borgpull.methods.base import Source, Verdict
from borgpull.model import JobSpec, Target
from borgpull.process import Running, running
from borgpull.secrets import as_fd
from borgpull.sidecar import jail as jails
from borgpull.sidecar import namespace as namespaces
from borgpull.sidecar import sshfs
from borgpull.sidecar.compare import FORMAT
from borgpull.ssh import config as ssh_config
from borgpull.ssh import sftp

# --noflags halves the SFTP requests of an unchanged file; there are no flags over SFTP anyway, nor
# ACLs or xattrs, and sshfs's ctime is its mtime (facts, sections 0 and 3).
CREATE_ARGS = ("--noflags", "--noacls", "--noxattrs", "--noctime", "--files-cache", "mtime,size")
# More suspects than this do not go on a command line: the whole archive is listed again.
MANY = 500


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
        namespace = stack.enter_context(namespaces.namespace())
        root = folder / "jail"
        root.mkdir()
        writable = (str(borg.repository), str(borg.base))
        jail = jails.build(namespace, jails.JailSpec(str(root), job.client, writable))
        process = stack.enter_context(sshfs.mounted(jail, config))
        _look_at_client(jail, job, emit)
        inner = replace(borg, prefix=jail.prefix())
        yield Source(
            borg=inner,
            paths=tuple(path.lstrip("/") or "." for path in job.paths),
            create_args=(*CREATE_ARGS, *exclude_args([item.pattern() for item in left_out])),
            left_out=tuple({"path": item.path, "fstype": item.fstype} for item in left_out),
            alive=process.alive,
            verify=lambda archive: verify(inner, archive, process, job.target),
            losses=lambda: dict(losses.count(config, job.paths, [item.path for item in left_out])),
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


def verify(borg: Borg, archive: str, process: Running, target: Target | None) -> Verdict:
    """Compare a new archive with the client's tree, by size.

    A size that differs is looked at again once sshfs's cache of attributes has run out, and then by
    reading: a file whose mtime is the archived one, or that cannot be read to its end, was cut.
    Raises ConnectionLost, VerificationFailed.
    """
    first, counts = _compare(borg, archive, None, process, target)
    suspects = [entry["path"] for entry in first]
    if not suspects:
        return Verdict(counts=counts["counts"], size=counts["bytes"])
    time.sleep(sshfs.CACHE_SECONDS + 1)
    second, _ = _compare(borg, archive, suspects, process, target)
    cut = tuple(entry["path"] for entry in second if is_cut(entry))
    changed = tuple(entry["path"] for entry in first if entry["path"] not in cut)
    return Verdict(cut=cut, changed=changed, counts=counts["counts"], size=counts["bytes"])


def is_cut(entry: dict[str, Any]) -> bool:
    """Was this file cut short on its way, rather than changed on the client meanwhile?"""
    if entry["now"] is None:
        return False  # deleted since
    if entry.get("unreadable"):
        return True
    archived = datetime.fromisoformat(entry["mtime"]).replace(tzinfo=UTC)  # TZ is UTC in the jail
    same_mtime = int(archived.timestamp()) == entry["now_mtime"]
    return bool(entry["archived"] < entry["now"] and same_mtime)


def _only(paths: Sequence[str]) -> list[str]:
    return [*(f"--pattern=+pf:{path}" for path in paths), "--pattern=-re:."]


def _compare(
    borg: Borg,
    archive: str,
    only: Sequence[str] | None,
    process: Running,
    target: Target | None,
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """`borg list | compare`, both in the jail; with `only`, those paths, read to their end."""
    read = [] if only is None else ["--read"]
    patterns = _only(only) if only is not None and len(only) < MANY else []
    compare = [*borg.prefix, "/usr/bin/python3", "-P", "-m", "borgpull.sidecar.compare", *read]
    lister = borg.argv("list", "--format", FORMAT, *patterns, f"::{archive}")
    read_end, write_end = os.pipe()
    with contextlib.ExitStack() as stack:
        source = stack.enter_context(os.fdopen(read_end, "rb"))
        sink = stack.enter_context(os.fdopen(write_end, "wb"))
        fd = stack.enter_context(as_fd(borg.passphrase))
        fds = () if fd is None else (fd,)
        listing = stack.enter_context(
            running(lister, name="borg list", env=borg.env(fd), pass_fds=fds, stdout=sink)
        )
        comparing = stack.enter_context(running(compare, name="compare", stdin=source))
        sink.close()
        source.close()
        found = []
        for item in comparing.lines():
            if not process.alive():
                raise ConnectionLost(f"the connection to {target} broke during verification")
            if item is not None and item[0] == "stdout":
                found.append(json.loads(item[1]))
        codes = comparing.wait(10), listing.wait(10)
    if codes != (0, 0) or not found or "counts" not in found[-1]:
        raise VerificationFailed(
            f"the archive could not be compared with the client: {comparing.stderr() or listing.stderr()}"
        )
    return found[:-1], found[-1]
