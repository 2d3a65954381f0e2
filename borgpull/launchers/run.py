"""The choice of a launcher for a job."""

from __future__ import annotations

from typing import Literal

from borgpull.events import Emit
from borgpull.jobs import Job
from borgpull.launchers.options import DockerOptions, RawWriter
from borgpull.results import Result
from borgpull.sidecar import in_sidecar

Launcher = Literal["here", "docker"]


def run(
    job: Job,
    emit: Emit,
    write_raw: RawWriter,
    *,
    launcher: Launcher | None = None,
    options: DockerOptions | None = None,
) -> Result:
    """Run a job by a launcher. If none is named, it runs here in the image, else by docker.

    `job.places` are those of this machine. `write_raw` gets stock borg's output from a container; a
    job that runs here writes to our own output. Raises the error that the job ends with, and those
    of `docker.launch`. Imports are late: the image has no docker SDK.
    """
    if (launcher or ("here" if in_sidecar() else "docker")) == "docker":
        from borgpull.launchers import docker

        return docker.launch(job, options or DockerOptions(), emit, write_raw)
    from borgpull import ops, process

    process.as_batch()
    return ops.do(job, emit)
