"""What the container of a job gets: privileges, mounts, environment."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, TypeGuard

from docker.types import Mount

from borgpull.addresses import host_and_port
from borgpull.borg.tarnames import into_tar
from borgpull.errors import ConfigError
from borgpull.jobs import Backup, Job, Restore
from borgpull.launchers import seccomp
from borgpull.launchers.options import Rung
from borgpull.places import Places, certificate_of
from borgpull.verbs import VERBS, WAYS

# For verbs that mount nothing. These let root write a repository that another user owns.
PLAIN_CAPABILITIES = ["CHOWN", "DAC_OVERRIDE", "FOWNER"]
# Root's sshd does its key exchange as another user in an empty folder.
SSHD_CAPABILITIES = ["SETGID", "SETUID", "SYS_CHROOT"]
# More capabilities, for a restore into a folder of the host; and where that folder is mounted.
RESTORING_CAPABILITIES = ["MKNOD", "SETFCAP"]
RESTORE_FOLDER = "/restore"
# SELinux denies a container the host's files. A new label on the user's key and repository would
# affect all other programs, too (docker run(1), :z). So this container gets no label. Without
# SELinux, the engine ignores that.
COMMON_SECURITY = ("no-new-privileges", "label=disable")


def privileges(job: Job, rung: Rung) -> dict[str, Any]:
    if not mounts_by_fuse(job):
        more = SSHD_CAPABILITIES if VERBS[job.verb].sshd else []
        if restores_here(job) and not into_tar(job):
            more = RESTORING_CAPABILITIES
        return {
            "cap_drop": ["ALL"],
            "cap_add": [*PLAIN_CAPABILITIES, *more],
            "security_opt": [*COMMON_SECURITY],
            "read_only": True,
            "tmpfs": {"/tmp": ""},  # noqa: S108 - in the container
            "ports": _ports(job),
        }
    common: dict[str, Any] = {
        "devices": ["/dev/fuse"],
        "security_opt": ["apparmor=unconfined", *COMMON_SECURITY],
    }
    if rung == "sys-admin":
        return {**common, "cap_add": ["SYS_ADMIN"]}
    return {**common, "security_opt": [*common["security_opt"], f"seccomp={seccomp.render()}"]}


def restored_into(job: Restore) -> str:
    """The path in the container for a restore into a folder, or tar file, of the host."""
    return f"{RESTORE_FOLDER}/{Path(job.into).name}" if into_tar(job) else RESTORE_FOLDER


def restores_here(job: Job) -> TypeGuard[Restore]:
    """Is it a restore into a folder, or tar file, of this host?"""
    return isinstance(job, Restore) and WAYS[job.how].here


def mounts_by_fuse(job: Job) -> bool:
    return VERBS[job.verb].fuse or (isinstance(job, Restore) and WAYS[job.how].fuse)


def _ports(job: Job) -> dict[str, int]:
    """The port that the client connects back to, where the user has named one."""
    if not (isinstance(job, Backup) and VERBS[job.verb].connects_back and job.connect_back):
        return {}
    _, port = host_and_port(job.connect_back)
    return {f"{port}/tcp": port}


def mounts(job: Job) -> Iterator[Mount]:
    inside = Places()
    for source, target in ((job.places.repo, inside.repo), (job.places.state, inside.state)):
        if source.startswith("/"):
            if VERBS[job.verb].makes_folders:
                _make_folder(Path(source))
            elif not Path(source).is_dir():
                raise ConfigError(f"there is no folder {source}", hint="name it by --repo, --state")
        kind: Literal["bind", "volume"] = "bind" if source.startswith("/") else "volume"
        fixed = target == inside.repo and VERBS[job.verb].reads_only
        yield Mount(target, source, type=kind, read_only=fixed)
    if restores_here(job):
        place = Path(job.into).parent if into_tar(job) else Path(job.into)
        _make_folder(place)
        yield Mount(RESTORE_FOLDER, str(place), type="bind")
    for source, target in secrets(job):
        path = Path(source).absolute()
        if not path.is_file():
            raise ConfigError(f"there is no file {path}")
        yield Mount(target, str(path), type="bind", read_only=True)
    if logs_in(job) and (agent := _agent(job)):
        yield Mount("/run/ssh-agent", agent, type="bind")


def secrets(job: Job) -> Iterator[tuple[str, str]]:
    """Files of the host that a job reads, and where; a certificate lies beside its key."""
    inside = Places()
    found = [(job.places.passphrase, inside.passphrase)]
    if logs_in(job):
        keys = [(job.places.ssh_key, inside.ssh_key)]
        keys += [(job.places.via_key, inside.via_key)] if goes_through(job) else []
        beside = [(certificate_of(here), certificate_of(there)) for here, there in keys if here]
        found += [(job.places.known_hosts, inside.known_hosts), *keys]
        found += [(here, there) for here, there in beside if Path(here).is_file()]
    yield from ((here, there) for here, there in found if here)


def logs_in(job: Job) -> bool:
    if VERBS[job.verb].login_via:
        return goes_through(job)
    return VERBS[job.verb].login and not restores_here(job)


def goes_through(job: Job) -> bool:
    """Does the job reach its machine through a jump host?"""
    route = job.reaches()
    return route is not None and route.via is not None


def _make_folder(path: Path) -> None:
    try:
        path.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise ConfigError(f"cannot make {path}: {error.strerror}") from None


def _agent(job: Job) -> str | None:
    """The user's ssh-agent, if no key was named."""
    path = os.environ.get("SSH_AUTH_SOCK", "")
    return path if not job.places.ssh_key and path and Path(path).is_socket() else None


def environment(job: Job) -> dict[str, str]:
    wanted = logs_in(job) and _agent(job)
    return {"SSH_AUTH_SOCK": "/run/ssh-agent"} if wanted else {}
