"""What the container of a job gets: its privilege, its mounts, its environment."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

from docker.types import Mount

from borgpull.borg.tarnames import into_tar
from borgpull.errors import ConfigError
from borgpull.model import BACKUP_VERBS, JobSpec, Places, host_and_port
from borgpull.sidecar import seccomp

Rung = Literal["userns", "sys-admin"]
# The other verbs mount nothing; these let root write a repository that another user owns.
PLAIN_CAPABILITIES = ["CHOWN", "DAC_OVERRIDE", "FOWNER"]
FUSE_VERBS = ("sshfs", "doctor")
FUSE_WAYS = ("chroot", "numeric")  # of restores
# Root's sshd does its key exchange as another user in an empty folder.
SSHD_VERBS = ("agent", "forward")
SSHD_CAPABILITIES = ["SETGID", "SETUID", "SYS_CHROOT"]
LOGIN_VERBS = (*BACKUP_VERBS, "doctor", "restore")
# These cannot write the repository, whatever happens in the container.
READING_VERBS = ("restore", "browse")
# What a restore into a folder of the host needs more than the others; it is mounted here.
RESTORING_CAPABILITIES = ["MKNOD", "SETFCAP"]
RESTORE_FOLDER = "/restore"
# A sidecar that was killed in one of these leaves borg's lock behind.
LOCKING_VERBS = (*BACKUP_VERBS, "serve", "init")
# These may make the folders of repositories and state; the others only look.
MAKING_VERBS = (*LOCKING_VERBS, "trust", "doctor")


def privileges(job: JobSpec, rung: Rung) -> dict[str, Any]:
    if not mounts_by_fuse(job):
        more = SSHD_CAPABILITIES if job.verb in SSHD_VERBS else []
        if job.verb == "restore" and job.how == "local" and not into_tar(job):
            more = RESTORING_CAPABILITIES
        return {
            "cap_drop": ["ALL"],
            "cap_add": [*PLAIN_CAPABILITIES, *more],
            "security_opt": ["no-new-privileges"],
            "read_only": True,
            "tmpfs": {"/tmp": ""},  # noqa: S108 - in the container
            "ports": _ports(job),
        }
    common: dict[str, Any] = {
        "devices": ["/dev/fuse"],
        "security_opt": ["apparmor=unconfined", "no-new-privileges"],
    }
    if rung == "sys-admin":
        return {**common, "cap_add": ["SYS_ADMIN"]}
    return {**common, "security_opt": [*common["security_opt"], f"seccomp={seccomp.render()}"]}


def restored_into(job: JobSpec) -> str:
    """Where in the container a restore into a folder, or tar file, of the host goes."""
    return f"{RESTORE_FOLDER}/{Path(job.into).name}" if into_tar(job) else RESTORE_FOLDER


def mounts_by_fuse(job: JobSpec) -> bool:
    return job.verb in FUSE_VERBS or (job.verb == "restore" and job.how in FUSE_WAYS)


def _ports(job: JobSpec) -> dict[str, int]:
    """The port that the client connects back to, where the user has named one."""
    if job.verb != "agent" or job.connect_back is None:
        return {}
    _, port = host_and_port(job.connect_back)
    return {f"{port}/tcp": port}


def mounts(job: JobSpec) -> Iterator[Mount]:
    inside = Places()
    for source, target in ((job.places.repo, inside.repo), (job.places.state, inside.state)):
        if source.startswith("/"):
            if job.verb in MAKING_VERBS:
                _make_folder(Path(source))
            elif not Path(source).is_dir():
                raise ConfigError(f"there is no folder {source}", hint="name it by --repo, --state")
        kind: Literal["bind", "volume"] = "bind" if source.startswith("/") else "volume"
        fixed = target == inside.repo and job.verb in READING_VERBS
        yield Mount(target, source, type=kind, read_only=fixed)
    if job.verb == "restore" and job.how == "local":
        place = Path(job.into).parent if into_tar(job) else Path(job.into)
        _make_folder(place)
        yield Mount(RESTORE_FOLDER, str(place), type="bind")
    secrets = [(job.places.passphrase, inside.passphrase)]
    if logs_in(job):
        secrets += [
            (job.places.ssh_key, inside.ssh_key),
            (job.places.known_hosts, inside.known_hosts),
        ]
    for source, target in secrets:
        if source:
            path = Path(source).absolute()
            if not path.is_file():
                raise ConfigError(f"there is no file {path}")
            yield Mount(target, str(path), type="bind", read_only=True)
    if logs_in(job) and (agent := _agent(job)):
        yield Mount("/run/ssh-agent", agent, type="bind")


def logs_in(job: JobSpec) -> bool:
    return job.verb in LOGIN_VERBS and (job.verb != "restore" or job.how != "local")


def _make_folder(path: Path) -> None:
    try:
        path.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise ConfigError(f"cannot make {path}: {error.strerror}") from None


def _agent(job: JobSpec) -> str | None:
    """The user's ssh-agent, where no key was named."""
    path = os.environ.get("SSH_AUTH_SOCK", "")
    return path if not job.places.ssh_key and path and Path(path).is_socket() else None


def environment(job: JobSpec) -> dict[str, str]:
    wanted = logs_in(job) and _agent(job)
    return {"SSH_AUTH_SOCK": "/run/ssh-agent"} if wanted else {}
