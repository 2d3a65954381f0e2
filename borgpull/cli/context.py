"""From a command's options to a job, and from a job to its end."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import typer

from borgpull import signals
from borgpull.cli.options import LauncherName, RungName
from borgpull.cli.screen import Screen
from borgpull.errors import BorgpullError, ConfigError, Told
from borgpull.events import Emit
from borgpull.model import JobSpec, Places, Result

IN_SIDECAR = "BORGPULL_SIDECAR"


def in_sidecar() -> bool:
    return bool(os.environ.get(IN_SIDECAR))


@dataclass(frozen=True, kw_only=True)
class Launch:
    """Where a job runs and how it is shown."""

    launcher: LauncherName | None = None
    image: str = "borgpull"
    network: str | None = None
    rung: RungName = RungName.userns
    json_lines: bool = False
    verbose: bool = False


def places(
    repo: str | None,
    state: str | None,
    *,
    passphrase_file: str | None = None,
    ssh_key: str | None = None,
    known_hosts: str | None = None,
) -> Places:
    """Where things are: the container's fixed places, or a host's usual ones.

    Raises ConfigError where a named file is not there. An empty text stands for "none".
    """
    for path in (passphrase_file, ssh_key, known_hosts):
        if path is not None and not Path(path).is_file():
            raise ConfigError(f"there is no file {path}")
    if in_sidecar():
        inside = Places()
        return Places(
            repo=repo or inside.repo,
            state=state or inside.state,
            ssh_key=ssh_key or inside.ssh_key,
            known_hosts=known_hosts or inside.known_hosts,
            passphrase=passphrase_file or inside.passphrase,
        )
    data = _data_folder()
    return Places(
        repo=_folder(repo or f"{data}/repo"),
        state=_folder(state or f"{data}/state"),
        ssh_key=ssh_key or _first_file("~/.ssh/id_ed25519", "~/.ssh/id_rsa"),
        known_hosts=known_hosts or _first_file("~/.ssh/known_hosts"),
        passphrase=passphrase_file or "",
    )


def _data_folder() -> str:
    if os.geteuid() == 0:
        return "/var/lib/borgpull"
    home = os.environ.get("XDG_DATA_HOME") or str(Path("~/.local/share").expanduser())
    return f"{home}/borgpull"


def _folder(name: str) -> str:
    """An absolute path, or the name of a Docker volume (no slash in it)."""
    return str(Path(name).absolute()) if "/" in name or name in (".", "..") else name


def _first_file(*names: str) -> str:
    paths = (Path(name).expanduser() for name in names)
    return next((str(path) for path in paths if path.is_file()), "")


def exclude_lines(files: Sequence[str]) -> list[str]:
    """The patterns in --exclude-from files; empty lines and comments are left out."""
    found = []
    for name in files:
        try:
            lines = Path(name).read_text(errors="surrogateescape").splitlines()
        except OSError as error:
            raise ConfigError(f"cannot read {name}: {error.strerror}") from None
        found += [line.strip() for line in lines if line.strip() and line[:1] != "#"]
    return found


# How a job is done: `run`, or something around it.
Way = Callable[[JobSpec, Launch, Screen], Result]


def perform(make_job: Callable[[], JobSpec], launch: Launch, way: Way | None = None) -> NoReturn:
    """Make the job, run it, show it, exit with its code: the one boundary of all commands."""
    screen = Screen(json_lines=launch.json_lines, verbose=launch.verbose)
    job = None
    try:
        with signals.raised(), screen:
            job = make_job()
            result = (way or run)(job, launch, screen)
        if job.verb == "borg":  # its output is out already
            code = int(result.data["returncode"])
        else:
            screen.result(result)
            code = result.exit_code or (0 if result.ok else BorgpullError.exit_code)
    except Told as error:
        if launch.verbose and isinstance(error, BorgpullError):
            traceback.print_exc()
        screen.error(error, job.verb if job else "", job.client if job else "")
        code = error.exit_code
    except Exception as error:
        if launch.verbose or os.environ.get("BORGPULL_DEBUG"):
            traceback.print_exc()
        screen.error(BorgpullError(f"internal error: {error!r}"), job.verb if job else "", "")
        code = BorgpullError.exit_code
    raise typer.Exit(code)


def run(job: JobSpec, launch: Launch, emit: Emit) -> Result:
    """Run a job where it is to run. Imports are late: the image has no docker SDK."""
    where = launch.launcher or (LauncherName.here if in_sidecar() else LauncherName.docker)
    if where is LauncherName.docker:
        from borgpull.launchers import docker
        from borgpull.launchers.container import Rung

        rung: Rung = "sys-admin" if launch.rung is RungName.sys_admin else "userns"
        options = docker.DockerOptions(image=launch.image, network=launch.network, rung=rung)
        return docker.launch(job, options, emit, write_raw)
    from borgpull import process
    from borgpull.ops import OPS

    process.as_batch()
    return OPS[job.verb](job, emit)


def write_raw(stream: int, data: bytes) -> None:
    """Stock borg's output, byte for byte."""
    target = sys.stderr if stream == 2 else sys.stdout
    target.buffer.write(data)
    target.buffer.flush()
