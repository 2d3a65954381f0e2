"""sshfs: the client's tree is mounted read-only in a jail, and borg walks it there.

Needs nothing on the client but SFTP; writes nothing there. SFTP loses hard links, xattrs, ACLs,
device numbers and nanoseconds, which the result counts.
"""

from __future__ import annotations

import contextlib
import os
import shlex
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from borgpull import events
from borgpull.borg import filescache, repository
from borgpull.borg.command import Borg, exclude_args
from borgpull.borg.create import Created, Order, create
from borgpull.client.mounts import FALLBACK, Mounts, of_client
from borgpull.errors import ConnectionLost, PathMissing
from borgpull.events import Emit
from borgpull.jail import jail as jails
from borgpull.jail import namespace as namespaces
from borgpull.jail import sshfs
from borgpull.jobs import Backup
from borgpull.methods import losses, named, plans
from borgpull.methods.base import Ahead, Ready, Source, Verdict, not_ahead
from borgpull.methods.comparison import Verifier
from borgpull.methods.vanished import there_again
from borgpull.methods.witnessed import Witnessed
from borgpull.outputs.backups import Manifest
from borgpull.process import CommandError, Completed, Running, run
from borgpull.ssh import machine, route, sftp
from borgpull.ssh.config import SshConfig, has_aes
from borgpull.ssh.session import BROKEN, connected, ended

# --noflags halves the SFTP requests of an unchanged file; there are no flags over SFTP anyway, nor
# ACLs or xattrs, and sshfs's ctime is its mtime (facts, sections 0 and 3).
CREATE_ARGS = ("--noflags", "--noacls", "--noxattrs", "--noctime", "--files-cache", "mtime,size")


LOOK_SECONDS = 900.0
REASON_SECONDS = 60.0
SAID = "borgpull-said "


@contextlib.contextmanager
def open_source(
    job: Backup, borg: Borg, folder: Path, emit: Emit, ready: Ready
) -> Iterator[Source]:
    """Mount the client and yield where borg runs. Raises the errors of ssh, mounts and paths."""
    namespaces.require_fuse()
    config, mountinfo = _first_contact(job, folder, emit)
    ready(None)
    with contextlib.ExitStack() as stack:
        pool = stack.enter_context(ThreadPoolExecutor(2))
        cache = stack.enter_context(filescache.generation(borg.base))
        namespace = stack.enter_context(namespaces.namespace())
        root = folder / "jail"
        root.mkdir()
        writable = (str(borg.repository), str(borg.base))
        jail = jails.build(namespace, jails.JailSpec(str(root), job.client, writable))
        mount = sshfs.mounted(jail, config, jail.spec.tree, follow=True)
        process = stack.enter_context(mount)
        seen = _look_at_client(jail, config, job, emit)
        hollow = _hollow(jail) if mountinfo is None else ()
        mounts = of_client(mountinfo, job.paths, hollow)
        sshfs.follow_no_symlinks(jail, jail.spec.tree)
        inner = borg._replace(
            prefix=jail.prefix(jail.spec.tree),
            extra_env={**borg.extra_env, "BORG_FILES_CACHE_SUFFIX": cache.suffix},
        )
        checked = Verifier(borg, jail, config, plans.plan(job, mounts))
        witnessed = Witnessed(
            *(job, borg, lambda undo: undo.enter_context(connected(config, folder)), pool, emit),
            mounts=mounts,
            roots=job.roots,
            kept=(),
            own=True,
        )
        stack.enter_context(witnessed)
        empty = tuple(seen["empty"])
        yield Mounted(job, mounts, checked, inner, process, cache, emit, empty, witnessed)


class Mounted(Source):
    """A client's tree in a jail, and the borg that walks it."""

    client_could_write = False

    def __init__(
        self,
        job: Backup,
        mounts: Mounts,
        verifier: Verifier,
        inner: Borg,
        mount: Running,
        cache: filescache.Generation,
        emit: Emit,
        empty: tuple[str, ...],
        witnessed: Witnessed,
    ) -> None:
        self._witnessed = witnessed
        self._changed: Sequence[str] = ()
        self.left_out, self.empty = mounts.facts(), empty
        self._roots, self._mounts, self._verifier = job.roots, mounts, verifier
        self._inner, self._mount, self._cache, self._emit = inner, mount, cache, emit

    def alive(self) -> bool:
        return self._mount.alive()

    def create(self, order: Order, ahead: Ahead = not_ahead) -> Created:
        options = [*CREATE_ARGS, *exclude_args(self._mounts.patterns())]
        paths = [path.lstrip("/") or "." for path in self._roots]
        words = order.words(*worth_a_line(order), *options, paths=paths)
        if not order.dry_run:
            self._witnessed.begin()
        done = create(self._inner, order, words, alive=self.alive, emit=self._emit)
        broken = any(item.errno in BROKEN for item in done.warnings)
        if done.returncode and ended(self.alive, soon=broken):
            raise ConnectionLost(f"the connection to {self._inner.client} broke during the run")
        return done

    def verify(self, done: Created) -> Verdict:
        return self._verifier(done)

    def rename(self, verdict: Verdict, name: str) -> None:
        repository.rename(self._verifier.borg, verdict.done.name, name)
        self._changed = verdict.changed

    def book(self, archive: str, archive_id: str) -> None:
        self._witnessed.book(archive, archive_id, self._changed, self.there_again)

    def manifest(self) -> Manifest:
        return self._witnessed.manifest()

    def there_again(self, paths: Sequence[str]) -> list[str]:
        return _there_again(self._verifier.jail, self._verifier.config, paths)

    def losses(self) -> dict[str, int | None]:
        config, mounts = self._verifier.config, self._mounts
        return losses.by_sftp(config, mounts.starts(self._roots), mounts.points())

    def accept(self) -> None:
        self._cache.promote()


def _first_contact(job: Backup, folder: Path, emit: Emit) -> tuple[SshConfig, bytes | None]:
    """The way to the client, and its mounts. Raises OtherMachine, the errors of ssh."""
    config = route.to_client(job.access, job.places, job.client, folder)
    events.phase(emit, "connect", f"connecting to {job.access.target}")
    mountinfo, cpuinfo = sftp.fetch(config, folder, "/proc/self/mountinfo", "/proc/cpuinfo")
    machine.require_same(job, folder)
    if cpuinfo:
        machine.saw_aes(folder, has_aes(cpuinfo.decode(errors="replace")))
        # The cipher that is fast on both sides.
        config = route.to_client(job.access, job.places, job.client, folder)
    return config, mountinfo


def worth_a_line(order: Order) -> list[str]:
    """The --filter for folders and for files that were read or failed.

    It omits unchanged files, and in a first archive the added ones.
    """
    return [] if order.dry_run else ["--filter", "MCEd?" if order.fresh else "AMCEd?"]


def _look_at_client(jail: jails.Jail, config: SshConfig, job: Backup, emit: Emit) -> dict[str, Any]:
    """Judge what `adopt_client` has seen. Raises PathMissing if a path cannot be saved as named."""
    seen = jails.adopt_client(jail, job.paths)
    named.require_seen(job.access.target, {**seen["missing"], **_reasons(config, seen["failed"])})
    for path, link in seen["links"].items():
        raise named.symlink(job.access.target, path, link)
    if seen["symlinks"]:
        path, link = next(iter(seen["symlinks"].items()))
        raise PathMissing(
            f"{path} leads through the symlink {link} on {job.access.target}",
            hint="name the path without symlinks on the way (readlink -f there shows it)",
        )
    if "passwd" not in seen["names"]:
        events.warning(emit, "the client has no /etc/passwd: owners are saved as numbers only")
    return seen


def _hollow(jail: jails.Jail) -> list[str]:
    """The empty ones of the folders that are left out if no mounts are known."""
    seen = jails.adopt_client(jail, FALLBACK)
    return [*seen["missing"], *seen["links"], *seen["empty"]]


def _reasons(config: SshConfig, paths: Sequence[str]) -> dict[str, str]:
    """Why the client cannot stat some paths. SFTP gives no reason, but its shell may."""
    found = dict.fromkeys(paths, "SFTP does not tell why")
    for path in paths:
        script = f"printf '{SAID}%s' \"$(LC_ALL=C ls -d {shlex.quote(path)} 2>&1 >/dev/null)\""
        with contextlib.suppress(CommandError):
            argv = config.command("sh", "-s")
            done = run(argv, timeout=REASON_SECONDS, stdin=os.fsencode(script), check=False)
            if said := done.stdout.decode(errors="replace").partition(SAID)[2]:
                found[path] = named.reason(said)
    return found


def _there_again(jail: jails.Jail, config: SshConfig, paths: Sequence[str]) -> list[str]:
    """Look by a fresh mount: the first one answers from its cache. Raises as `sshfs.mounted`."""
    folder = jail.spec.second_tree

    def shell(script: str, data: bytes) -> Completed:
        argv = [*jail.prefix(folder), "sh", "-c", script]
        return run(argv, timeout=LOOK_SECONDS, stdin=data, check=False)

    with sshfs.mounted(jail, config, folder, again=True):
        return there_again(shell, paths)
