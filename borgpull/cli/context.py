"""From a job to its end."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from typing import NoReturn, TypeVar

from borgpull import signals
from borgpull.cli.boundary import Doing, End, boundary
from borgpull.cli.options import Launch, LauncherName, RungName
from borgpull.cli.screen import Screen
from borgpull.events import Emit
from borgpull.jobs import Job
from borgpull.launchers import run as launching
from borgpull.launchers.options import DockerOptions, Rung
from borgpull.launchers.run import Launcher
from borgpull.results import Result
from borgpull.verbs import VERBS

# How a job is done: `run`, or something around it.
J = TypeVar("J", bound=Job)
Way = Callable[[J, Launch, Screen], Result]

_READ_ONLY = ContextVar("_READ_ONLY", default=False)


class JobRead(BaseException):
    """Raised in place of a run, while a command line is only read."""

    def __init__(self, job: Job, launch: Launch) -> None:
        super().__init__()
        self.job, self.launch = job, launch


@contextlib.contextmanager
def read_only() -> Iterator[None]:
    """Within it, `perform` makes the job and raises JobRead with it."""
    token = _READ_ONLY.set(True)
    try:
        yield
    finally:
        _READ_ONLY.reset(token)


def perform(make_job: Callable[[], J], launch: Launch, way: Way[J] | None = None) -> NoReturn:
    """Make the job, run it, show it, exit with its code."""
    if _READ_ONLY.get():
        raise JobRead(make_job(), launch)
    screen = Screen(json_lines=launch.json_lines, verbose=launch.verbose)
    doing = Doing.of(sys.argv[1:])
    doing.result_file = launch.result_file or ""
    with boundary(screen, doing):
        with signals.raised(), screen:
            job = make_job()
            doing.is_about(job)
            result = way(job, launch, screen) if way else run(job, launch, screen)
        if VERBS[job.verb].raw:  # its output is out already
            raise End(int(result.data["returncode"]), doing, result, screen.warnings)
        screen.result(result)
        raise End(result.exit_code, doing, result, screen.warnings)
    raise AssertionError("the boundary was passed")


def run(job: Job, launch: Launch, emit: Emit) -> Result:
    """Run a job as the options of its command say."""
    launcher: Launcher = "here" if launch.launcher is LauncherName.here else "docker"
    rung: Rung = "sys-admin" if launch.rung is RungName.sys_admin else "userns"
    return launching.run(
        job,
        emit,
        write_raw,
        launcher=launcher if launch.launcher else None,
        options=DockerOptions(image=launch.image, network=launch.network, rung=rung),
    )


def write_raw(stream: int, data: bytes) -> None:
    """Stock borg's output, byte for byte."""
    target = sys.stderr if stream == 2 else sys.stdout
    target.buffer.write(data)
    target.buffer.flush()
