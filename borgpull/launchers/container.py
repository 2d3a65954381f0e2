"""What the docker launcher gives the container of a job, in the words of Docker's SDK."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

from docker.types import Mount

from borgpull.borg.tarnames import into_tar
from borgpull.errors import ConfigError
from borgpull.jobs import Job
from borgpull.launchers import seccomp
from borgpull.launchers.needs import (
    AGENT_SOCKET,
    Folder,
    Scratch,
    needs,
    restores_here,
)
from borgpull.launchers.options import Rung
from borgpull.launchers.security import security
from borgpull.places import certificate_of

# Of a scratch volume that nobody has named: it goes with the last container that uses it.
SCRATCH_LABEL = "borgpull.scratch"


def privileges(job: Job, rung: Rung) -> dict[str, Any]:
    wanted = needs(job, rung)
    port = wanted.listens_on
    found: dict[str, Any] = {
        "cap_add": list(wanted.capabilities),
        "devices": [wanted.device] if wanted.device else [],
        "security_opt": security(wanted, seccomp.render() if wanted.own_profile else ""),
        "ports": {} if port is None else {f"{port}/tcp": port},
    }
    if wanted.confined:
        found |= {"cap_drop": ["ALL"], "read_only": True, "tmpfs": {"/tmp": ""}}  # noqa: S108 - in the container
    if wanted.memory is not None:
        found |= {"mem_limit": wanted.memory, "memswap_limit": wanted.memory}
    if wanted.scratch and wanted.scratch.size:
        found["tmpfs"][wanted.scratch.target] = wanted.scratch.options
    return found


def network(job: Job) -> str | None:
    """Docker's network of a job for which the user names none; None for the engine's usual one."""
    return None if needs(job).talks else "none"


def mounts(job: Job) -> Iterator[Mount]:
    wanted = needs(job)
    for folder in wanted.folders:
        yield _folder(job, folder)
    if wanted.scratch and not wanted.scratch.size:
        yield _scratch(wanted.scratch)
    for source, target in secrets(job):
        path = Path(source).absolute()
        if not path.is_file():
            raise ConfigError(f"there is no file {path}")
        yield Mount(target, str(path), type="bind", read_only=True)
    if wanted.agent and (agent := _agent(job)):
        yield Mount(AGENT_SOCKET, agent, type="bind")


def _scratch(wanted: Scratch) -> Mount:
    if wanted.source.startswith("/"):
        _make_folder(Path(wanted.source))
        return Mount(wanted.target, wanted.source, type="bind")
    labels = None if wanted.source else {SCRATCH_LABEL: ""}
    return Mount(wanted.target, wanted.source or None, type="volume", labels=labels)


def _folder(job: Job, folder: Folder) -> Mount:
    if restores_here(job) and folder.what == "restored":
        place = Path(job.into).parent if into_tar(job) else Path(job.into)
        source, absolute = str(place), True
    else:
        source = str(getattr(job.places, folder.what))
        absolute = source.startswith("/")
    if absolute and folder.made:
        _make_folder(Path(source))
    elif absolute and not Path(source).is_dir():
        raise ConfigError(f"there is no folder {source}", hint="name it by --repo, --state")
    kind: Literal["bind", "volume"] = "bind" if absolute else "volume"
    return Mount(folder.target, source, type=kind, read_only=folder.read_only)


def secrets(job: Job) -> Iterator[tuple[str, str]]:
    """Files of the host that a job reads, and where; a certificate lies beside its key."""
    for secret in needs(job).secrets:
        source = str(getattr(job.places, secret.what))
        if not source:
            continue
        yield source, secret.target
        if secret.certificate and Path(certificate_of(source)).is_file():
            yield certificate_of(source), certificate_of(secret.target)


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
    wanted = needs(job).agent and _agent(job)
    return {"SSH_AUTH_SOCK": AGENT_SOCKET} if wanted else {}
