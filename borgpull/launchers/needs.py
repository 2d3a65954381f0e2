"""What the container of a job needs: one table, for the docker launcher and for all renderers.

Nothing here knows an engine or a host. A launcher and a renderer say it in their own words.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Literal, TypeGuard

from borgpull.addresses import host_and_port
from borgpull.borg.tarnames import into_tar
from borgpull.jobs import Backup, Job, Restore, Scratching
from borgpull.launchers.options import Rung
from borgpull.places import Places
from borgpull.verbs import VERBS, WAYS

# For verbs that mount nothing. These let root write a repository that another user owns. A user who
# is not root needs none.
PLAIN_CAPABILITIES = ("CHOWN", "DAC_OVERRIDE", "FOWNER")
# Root's sshd does its key exchange as another user in an empty folder.
SSHD_CAPABILITIES = ("SETGID", "SETUID", "SYS_CHROOT")
# More capabilities, for a restore into a folder of the host; and where that folder is mounted.
# Without FSETID, the kernel takes the setgid bit from whatever is another group's (chmod(2)).
RESTORING_CAPABILITIES = ("FSETID", "MKNOD", "SETFCAP")
RESTORE_FOLDER = "/restore"
# A drill restores all kinds of things, and runs programs of what it has restored.
DRILLING_CAPABILITIES = (*RESTORING_CAPABILITIES, *SSHD_CAPABILITIES, "KILL")
# To mount without a user namespace, and to take capabilities from borg in the jail.
MOUNTING_CAPABILITIES = ("SYS_ADMIN", "SETPCAP")
SCRATCH_FOLDER = "/scratch"
AGENT_SOCKET = "/run/ssh-agent"
FUSE_DEVICE = "/dev/fuse"
_IN_MEMORY = re.compile(r"tmpfs:([1-9][0-9]{0,9}[kKmMgG]?)")
# From SIGTERM to SIGKILL. A job ends within 8 s of a signal; an engine under load gets some more.
STOP_SECONDS = 15


@dataclass(frozen=True, kw_only=True)
class Folder:
    """A folder of the host, or a volume, in the container."""

    what: Literal["repo", "state", "restored"]  # the first two are fields of Places
    target: str  # in the container
    read_only: bool = False
    made: bool = False  # may it be made if it is not there?


@dataclass(frozen=True, kw_only=True)
class Scratch:
    """Where a drill restores to. Nothing of it may outlast the container.

    It is in memory if it has a size. Else it is a folder of the host or a volume, if it has a
    source. Else it is a volume that is made with the container, and is gone with it.
    """

    target: str = SCRATCH_FOLDER
    size: str = ""  # as tmpfs(5) has it
    source: str = ""

    @property
    def options(self) -> str:
        """Of the mount in memory. By an engine's usual ones, no restored tree could be used."""
        return f"exec,suid,dev,mode=700,size={self.size}"


@dataclass(frozen=True, kw_only=True)
class Secret:
    """A file in the container that only the job may read, and which it never changes."""

    what: Literal["passphrase", "ssh_key", "known_hosts", "via_key"]  # a field of Places
    target: str
    certificate: bool = False  # may a certificate lie beside it, as `places.certificate_of` says?


@dataclass(frozen=True, kw_only=True)
class Needs:
    """What a job's container needs. All that is not named here, it must not get."""

    folders: tuple[Folder, ...]
    secrets: tuple[Secret, ...]  # each is optional: a job may need less
    agent: bool  # may an ssh-agent's socket, at AGENT_SOCKET, stand in for the key?
    # All capabilities but `capabilities` are dropped, the root is read-only, /tmp is in memory. The
    # job may run as any user, who needs none of the capabilities. It is False for jobs that mount,
    # but for drills.
    confined: bool
    scratch: Scratch | None
    memory: int | None  # bytes that the container may use; None for the usual limit
    capabilities: tuple[str, ...]
    device: str  # FUSE_DEVICE, or ""
    own_profile: bool  # our seccomp profile in place of the engine's
    mounts: bool  # it mounts: AppArmor's usual profile would refuse it
    connects_to: tuple[int, ...]  # the ports of other machines that it logs in on
    listens_on: int | None  # the port that a client connects back to
    let_out: bool  # the user lets it have a network that it does not need
    stop_seconds: int = STOP_SECONDS  # from SIGTERM to SIGKILL

    @property
    def root(self) -> bool:
        """Must it be root, though it is confined? It restores owners, and devices."""
        return self.scratch is not None

    @property
    def in_memory(self) -> str:
        """Its scratch folder as `docker run --tmpfs` has it; "" if there is none in memory."""
        if self.scratch is None or not self.scratch.size:
            return ""
        return f"{self.scratch.target}:{self.scratch.options}"

    @property
    def connected(self) -> bool:
        """Does it need a network?"""
        return bool(self.connects_to) or self.listens_on is not None

    @property
    def talks(self) -> bool:
        """Does it get a network?"""
        return self.connected or self.let_out


def needs(job: Job, rung: Rung = "userns") -> Needs:
    """What a job needs, at a rung of privilege if it mounts by FUSE."""
    fuse = mounts_by_fuse(job)
    return Needs(
        folders=tuple(_folders(job)),
        secrets=tuple(_secrets(job)),
        agent=logs_in(job),
        confined=not fuse or isinstance(job, Scratching),
        scratch=_scratch(job),
        memory=job.memory if isinstance(job, Scratching) else None,
        capabilities=_capabilities(job, rung),
        device=FUSE_DEVICE if fuse else "",
        own_profile=fuse and rung == "userns",
        mounts=fuse,
        connects_to=tuple(_connects_to(job)),
        listens_on=_listens_on(job),
        let_out=isinstance(job, Scratching) and job.network,
    )


def restored_into(job: Restore) -> str:
    """The path in the container for a restore into a folder, or tar file, of the host."""
    return f"{RESTORE_FOLDER}/{PurePosixPath(job.into).name}" if into_tar(job) else RESTORE_FOLDER


def restores_here(job: Job) -> TypeGuard[Restore]:
    """Is it a restore into a folder, or tar file, of this host?"""
    return isinstance(job, Restore) and WAYS[job.how].here


def mounts_by_fuse(job: Job) -> bool:
    return VERBS[job.verb].fuse or (isinstance(job, Restore | Scratching) and WAYS[job.how].fuse)


def logs_in(job: Job) -> bool:
    if VERBS[job.verb].login_via:
        return goes_through(job)
    return VERBS[job.verb].login and not restores_here(job)


def goes_through(job: Job) -> bool:
    """Does the job reach its machine through a jump host?"""
    route = job.reaches()
    return route is not None and route.via is not None


def _capabilities(job: Job, rung: Rung) -> tuple[str, ...]:
    mounting = MOUNTING_CAPABILITIES if mounts_by_fuse(job) and rung == "sys-admin" else ()
    if isinstance(job, Scratching):
        return PLAIN_CAPABILITIES + DRILLING_CAPABILITIES + mounting
    if mounts_by_fuse(job):
        return mounting[:1]  # the engine's usual ones have the other
    if restores_here(job) and not into_tar(job):
        return PLAIN_CAPABILITIES + RESTORING_CAPABILITIES
    return PLAIN_CAPABILITIES + (SSHD_CAPABILITIES if VERBS[job.verb].sshd else ())


def _folders(job: Job) -> Iterator[Folder]:
    verb, inside = VERBS[job.verb], Places()
    made = verb.makes_folders
    if not verb.alone:
        yield Folder(what="repo", target=inside.repo, read_only=verb.reads_only, made=made)
        yield Folder(what="state", target=inside.state, made=made)
    if restores_here(job):
        yield Folder(what="restored", target=RESTORE_FOLDER, made=True)


def _scratch(job: Job) -> Scratch | None:
    if not isinstance(job, Scratching):
        return None
    found = _IN_MEMORY.fullmatch(job.scratch)
    return Scratch(size=found[1].lower()) if found else Scratch(source=job.scratch)


def _secrets(job: Job) -> Iterator[Secret]:
    inside = Places()
    if VERBS[job.verb].alone:
        return
    yield Secret(what="passphrase", target=inside.passphrase)
    if logs_in(job):
        yield Secret(what="known_hosts", target=inside.known_hosts)
        yield Secret(what="ssh_key", target=inside.ssh_key, certificate=True)
    if logs_in(job) and goes_through(job):
        yield Secret(what="via_key", target=inside.via_key, certificate=True)


def _connects_to(job: Job) -> Iterator[int]:
    """The port of the first machine on the way; it does all else."""
    route = job.reaches()
    if route is not None:
        yield (route.via or route.target).port


def _listens_on(job: Job) -> int | None:
    """The port that the client connects back to, where the user has named one."""
    if not (isinstance(job, Backup) and VERBS[job.verb].connects_back and job.connect_back):
        return None
    _, port = host_and_port(job.connect_back)
    return port
