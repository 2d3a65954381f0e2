"""The docker launcher: one container for each job. It cannot outlive this process.

The job goes in as one JSON line on standard input, which stays open as a lifeline: its end tells
the sidecar that this process is gone. Events come back as JSON lines on standard output.
"""

from __future__ import annotations

import contextlib
import socket
import time
import uuid
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import docker
from docker.errors import APIError, ImageNotFound

from borgpull import errors, signals
from borgpull.drills.telling import failed_after_all
from borgpull.errors import DrillFailed, ImageMissing, NoDocker, NoFuseDevice, SidecarFailed
from borgpull.events import Emit, Event
from borgpull.jobs import Job, Scratching, Tidy, to_json
from borgpull.launchers import checking
from borgpull.launchers.container import environment, mounts, network, privileges
from borgpull.launchers.lives import (
    ENGINE,
    attached,
    exit_code,
    first_line,
    frames,
    remove,
    unbroken,
)
from borgpull.launchers.needs import SCRATCH_FOLDER, restored_into, restores_here
from borgpull.launchers.options import DockerOptions, RawWriter
from borgpull.outputs.hosts import Check
from borgpull.places import Places
from borgpull.results import Result
from borgpull.verbs import VERBS

LABEL = "borgpull.job"
# Seconds. No launcher takes this long from making a container to starting it.
STALE_SECONDS = 600


def launch(job: Job, options: DockerOptions, emit: Emit, write_raw: RawWriter) -> Result:
    """Run a job in a container of its own; `job.places` are the host's.

    Raises NoDocker, ImageMissing, NoFuseDevice, SidecarFailed, ConfigError, DrillFailed, and the
    error that the job ended with. A drill that has a result keeps it, whatever stays behind.
    """
    verb = VERBS[job.verb]
    result: Result | None = None
    try:
        with _client() as client, _container(client, job, options) as container:
            _sweep(client)
            checks = [_engine_check(client)] if verb.asks_engine else []
            reply = checking.Replies(client, container, job)
            with attached(container) as stream, exit_code(container) as ended:
                _start(container)
                inner = replace(job, places=Places())
                if restores_here(inner):
                    inner = replace(inner, into=restored_into(inner))
                if isinstance(inner, Scratching):
                    inner = replace(inner, scratch=SCRATCH_FOLDER)
                with contextlib.suppress(OSError):  # it has ended already
                    stream.sendall(to_json(inner).encode() + b"\n")
                result, tail = _follow(stream, job, emit, write_raw, reply)
                found = ended()
                if found is None and result is None:
                    client.ping()  # or else the engine has ended, and not the sidecar
                code = SidecarFailed.exit_code if found is None else found
    except DrillFailed as error:
        if result is None or not result.data:
            raise
        result = failed_after_all(result, error)
    if verb.raw:
        return Result(verb=job.verb, client=job.client, data={"returncode": code})
    if result is not None and result.data and checks:
        result = result.checked(*checks)
    if result is not None and restores_here(job) and result.data:
        result = replace(result, data={**result.data, "to": job.into})
    if result is None:
        if verb.locks:
            with contextlib.suppress(errors.BorgpullError):
                launch(Tidy(client=job.client, places=job.places), options, emit, write_raw)
        raise SidecarFailed(f"the sidecar ended with {code}: {tail or 'no message'}")
    if result.failure is not None and not result.data:
        why = result.failure
        raise errors.again(why.exit_code, why.message, why.hint)
    return result


@contextlib.contextmanager
def _client() -> Iterator[docker.DockerClient]:
    try:
        client = docker.from_env(timeout=120)
        client.ping()
    except ENGINE as error:
        raise NoDocker(f"no Docker engine answers: {first_line(error)}") from None
    with contextlib.closing(client):
        try:
            yield client
        except APIError as error:
            raise SidecarFailed(f"the engine failed: {first_line(error.explanation)}") from None
        except ENGINE as error:
            raise NoDocker(f"the Docker engine has gone away: {first_line(error)}") from None


def _engine_check(client: docker.DockerClient) -> Check:
    """Doctor's check of the engine, in the form of `ops.doctor`."""
    version = client.version()
    security = " ".join(client.info().get("SecurityOptions") or [])
    rootless = "name=rootless" in security
    return {
        "name": "engine",
        "ok": not rootless,
        "text": f"Docker {version['Version']} (API {version['ApiVersion']}), "
        f"{'rootless' if rootless else 'not rootless'}",
        "hint": "a rootless engine does not see all user ids" if rootless else "",
    }


@contextlib.contextmanager
def _container(client: docker.DockerClient, job: Job, options: DockerOptions) -> Iterator[Any]:
    """A created container, removed afterwards. Its name is chosen first, so it can be found."""
    name, gone = f"borgpull-{job.client or 'job'}-{uuid.uuid4().hex[:8]}", False

    def end() -> None:
        nonlocal gone
        gone = remove(client, name)

    try:
        try:
            container = unbroken(
                client.containers.create,
                options.image,
                ["job"],
                name=name,
                labels={LABEL: name},
                stdin_open=True,
                auto_remove=True,
                mounts=list(mounts(job)),
                environment=environment(job),
                network=options.network or network(job),
                **privileges(job, options.rung),
            )
        except ImageNotFound:
            raise ImageMissing(f"there is no image {options.image}") from None
        except APIError as error:
            raise _start_error(error) from None
        yield container
    finally:
        signals.to_its_end(end)
    if isinstance(job, Scratching) and not gone:  # with what it has restored
        raise DrillFailed(
            f"the container {name} could not be removed", hint=f"docker rm -fv {name}"
        )


def _sweep(client: docker.DockerClient) -> None:
    """Remove containers that a killed launcher has made but not started, or left running."""
    with contextlib.suppress(*ENGINE):
        for old in client.api.containers(all=True, filters={"label": LABEL, "status": "created"}):
            if time.time() - old["Created"] >= STALE_SECONDS:
                # The engine refuses one that is just being started, or removed by another sweep.
                with contextlib.suppress(APIError):
                    client.api.remove_container(old["Id"], v=True)
        checking.sweep(client, LABEL)


def _start(container: Any) -> None:
    try:
        unbroken(container.start)
    except APIError as error:
        raise _start_error(error) from None


def _start_error(error: APIError) -> errors.BorgpullError:
    text = first_line(error.explanation or error)
    if "/dev/fuse" in text:
        return NoFuseDevice("the engine's host has no /dev/fuse", hint="modprobe fuse on that host")
    return SidecarFailed(f"the sidecar cannot be started: {text}")


def _follow(
    stream: socket.socket,
    job: Job,
    emit: Emit,
    write_raw: RawWriter,
    reply: Callable[[Any], bytes],
) -> tuple[Result | None, str]:
    """Emit events until the container's output ends; returns the result and the last errors.

    What the job asks gets a reply.
    """
    rest, result = b"", None
    tail: deque[bytes] = deque(maxlen=5)
    for kind, data in frames(stream):
        if VERBS[job.verb].raw:
            write_raw(kind, data)
            continue
        if kind == 2:
            tail.extend(line for line in data.splitlines() if line.strip())
            continue
        *lines, rest = (rest + data).split(b"\n")
        for line in lines:
            event = Event.from_json(line)
            if event is not None and event.kind == "result":
                result = Result.from_dict(event.data)
            elif event is not None and event.kind == "ask":
                said = reply(event.data)
                with contextlib.suppress(OSError):  # it may have ended meanwhile
                    stream.sendall(said)
            elif event is not None:
                emit(event)
    return result, b" ".join(tail).decode(errors="replace")
