"""A check of a drill in an image of the user's: one container, which sees the scratch alone.

A process in the drill's container may be the client's, by a check that ran there. So what it asks
is taken for nothing but a number of a check and a random name. No path of the host comes of it.
"""

from __future__ import annotations

import contextlib
import re
import socket
import threading
import time
import uuid
from collections.abc import Iterator
from typing import Any

import docker
from docker.errors import APIError, ImageNotFound
from docker.types import LogConfig, Mount

from borgpull import signals
from borgpull.asking import MAX_OUTPUT, Answer
from borgpull.jobs import Drill, DrillCheck, Job
from borgpull.launchers.container import SCRATCH_LABEL
from borgpull.launchers.lives import (
    ENGINE,
    attached,
    cut,
    exit_code,
    first_line,
    frames,
    gone,
    unbroken,
)
from borgpull.launchers.needs import SCRATCH_FOLDER
from borgpull.launchers.security import COMMON_SECURITY

# Its value is the name of the drill's container.
LABEL = "borgpull.check"
PROCESSES = 4096
# How long a check that takes too long is killed, and how often.
KILL_SECONDS, AGAIN_SECONDS = 60.0, 1.0
_FOLDER = re.compile(r"borgpull-job-[a-z0-9_]{8}/tree")  # as the drill names it


class Replies:
    """What the drill's container gets for what it asks: each check runs once."""

    def __init__(self, client: docker.DockerClient, drill: Any, job: Job) -> None:
        self._client, self._drill, self._job = client, drill, job
        self._next = 0

    def __call__(self, asked: Any) -> bytes:
        """Run a check; returns a line for the drill. Raises Interrupted."""
        folder, job = str(asked.get("folder")), self._job
        number = asked.get("check") if type(asked.get("check")) is int else -1
        if (
            isinstance(job, Drill)
            and self._next <= number < len(job.checks)
            and job.checks[number].image
            and _FOLDER.fullmatch(folder)
        ):
            self._next = number + 1
            done = answered(self._client, self._drill, job, job.checks[number], folder)
            return done.line(number)
        return Answer(why="it asked for what is no check of this drill").line(number)


def answered(
    client: docker.DockerClient, drill: Any, job: Drill, check: DrillCheck, folder: str
) -> Answer:
    name = f"borgpull-check-{uuid.uuid4().hex[:8]}"
    try:
        with _removed(client, name):
            found = _run(client, name, drill, job, check, folder)
    except ImageNotFound:
        found = Answer(why=f"there is no image {check.image} here: pull or build it first")
    except APIError as error:
        found = Answer(why=f"its container cannot be started: {first_line(error.explanation)}")
    except ENGINE as error:
        found = Answer(why=f"the engine fails: {first_line(error)}")
    if not gone(client, name):
        return Answer(output=found.output, left=f"the container {name}")
    return found


def _run(
    client: docker.DockerClient, name: str, drill: Any, job: Drill, check: DrillCheck, folder: str
) -> Answer:
    """Raises the engine's errors."""
    container = unbroken(
        client.containers.create,
        check.image,
        ["-c", f"exec 2>&1\n{check.run}"],
        entrypoint=["/bin/sh"],
        name=name,
        labels={LABEL: drill.name},
        auto_remove=True,
        user="0" if check.user == "root" else check.user,
        environment={"BORGPULL_RESTORED": f"{SCRATCH_FOLDER}/{folder}"},
        mounts=[_scratch(drill)],
        network="none",
        security_opt=list(COMMON_SECURITY),
        pids_limit=PROCESSES,
        log_config=LogConfig(type="none"),  # a check may print without end
        **({} if job.memory is None else {"mem_limit": job.memory, "memswap_limit": job.memory}),
    )
    output = bytearray()
    with attached(container) as stream, exit_code(container) as ended:
        unbroken(container.start)
        with _killed_after(container, stream, check.timeout) as late:
            for _, data in frames(stream):
                output += data
                if len(output) > MAX_OUTPUT:
                    return Answer(why=f"it printed more than {MAX_OUTPUT} bytes")
            code = ended()
    text = output.decode(errors="replace")
    if late.is_set():
        return Answer(why=f"it took over {check.timeout} s", output=text)
    return Answer(code=code, why="" if code is not None else "it has no exit code", output=text)


def _scratch(drill: Any) -> Mount:
    """The mount of the drill's container, as a whole.

    A part of it would be a path on the host in which the drill's container could put a symlink.
    """
    drill.reload()
    (found,) = (item for item in drill.attrs["Mounts"] if item["Destination"] == SCRATCH_FOLDER)
    source = found["Name"] if found["Type"] == "volume" else found["Source"]
    return Mount(SCRATCH_FOLDER, source, type=found["Type"])


@contextlib.contextmanager
def _killed_after(
    container: Any, stream: socket.socket, seconds: float
) -> Iterator[threading.Event]:
    """Kill it then, unless the `with` has ended. The event says whether it came to that.

    A busy engine may fail to, so it is asked again. At last, the container's output is cut.
    """
    late, over = threading.Event(), threading.Event()

    def end() -> None:
        if over.wait(seconds):
            return
        late.set()
        deadline = time.monotonic() + KILL_SECONDS
        while not over.is_set() and time.monotonic() < deadline:
            with contextlib.suppress(*ENGINE):
                container.kill()
            over.wait(AGAIN_SECONDS)
        if not over.is_set():
            cut(stream)

    threading.Thread(target=end, daemon=True).start()
    try:
        yield late
    finally:
        over.set()


@contextlib.contextmanager
def _removed(client: docker.DockerClient, name: str) -> Iterator[None]:
    """Afterwards it is gone. Its name is chosen before it is made, so it can be found."""

    def remove() -> None:
        with contextlib.suppress(*ENGINE):
            client.api.remove_container(name, v=True, force=True)

    try:
        yield
    finally:
        signals.to_its_end(remove)


def sweep(client: docker.DockerClient, jobs: str) -> None:
    """Remove the containers of checks whose drill is gone, and the volumes that they have kept.

    `jobs` is the label of all jobs. What the engine refuses to remove is left: another sweep may be
    at it. Raises the engine's errors.
    """
    refused = contextlib.suppress(APIError)
    if checks := client.api.containers(all=True, filters={"label": LABEL}):
        every = client.api.containers(all=True, filters={"label": jobs})
        there = {found["Labels"][jobs] for found in every}
        for old in checks:
            if old["Labels"][LABEL] not in there:
                with refused:
                    client.api.remove_container(old["Id"], v=True, force=True)
    unused = {"label": SCRATCH_LABEL, "dangling": True}
    for volume in client.api.volumes(filters=unused)["Volumes"] or ():
        with refused:
            client.api.remove_volume(volume["Name"])
