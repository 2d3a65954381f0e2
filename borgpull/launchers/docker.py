"""The docker launcher: one container for each job. It cannot outlive this process.

The job goes in as one JSON line on standard input, which stays open as a lifeline: its end tells
the sidecar that this process is gone. Events come back as JSON lines on standard output.
"""

from __future__ import annotations

import contextlib
import queue
import socket
import threading
import time
import uuid
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any, cast

import docker
import requests
from docker.errors import APIError, DockerException, ImageNotFound
from docker.utils.socket import frames_iter

from borgpull import errors, signals
from borgpull.errors import ImageMissing, NoDocker, NoFuseDevice, SidecarFailed
from borgpull.events import Emit, Event
from borgpull.jobs import Job, Tidy, to_json
from borgpull.launchers.container import environment, mounts, network, privileges
from borgpull.launchers.needs import STOP_SECONDS, restored_into, restores_here
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

    Raises NoDocker, ImageMissing, NoFuseDevice, SidecarFailed, ConfigError, and the error that the
    job ended with.
    """
    verb = VERBS[job.verb]
    with _client() as client, _container(client, job, options) as container:
        _sweep(client)
        checks = [_engine_check(client)] if verb.asks_engine else []
        with _attached(container) as stream, _exit_code(container) as exit_code:
            _start(container)
            inner = replace(job, places=Places())
            if restores_here(inner):
                inner = replace(inner, into=restored_into(inner))
            stream.sendall(to_json(inner).encode() + b"\n")
            result, tail = _follow(stream, job, emit, write_raw)
            code = exit_code()
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
        found = result.failure
        raise errors.again(found.exit_code, found.message, found.hint)
    return result


@contextlib.contextmanager
def _client() -> Iterator[docker.DockerClient]:
    try:
        client = docker.from_env(timeout=120)
        client.ping()
    except (DockerException, requests.exceptions.RequestException) as error:
        raise NoDocker(f"no Docker engine answers: {_first_line(error)}") from None
    with contextlib.closing(client):
        yield client


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
    name = f"borgpull-{job.client or 'job'}-{uuid.uuid4().hex[:8]}"
    try:
        try:
            container = _unbroken(
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
        signals.to_its_end(lambda: _remove(client, name))


@contextlib.contextmanager
def _exit_code(container: Any) -> Iterator[Callable[[], int]]:
    """A function that waits for the container's exit code.

    The waiting begins before the start: a container that removes itself cannot be asked later.
    """
    found: queue.SimpleQueue[int] = queue.SimpleQueue()

    def wait() -> None:
        try:
            found.put(int(container.wait(timeout=None, condition="next-exit")["StatusCode"]))
        except (DockerException, requests.exceptions.RequestException):
            found.put(SidecarFailed.exit_code)

    threading.Thread(target=wait, daemon=True).start()

    def answer() -> int:
        try:
            return found.get(timeout=STOP_SECONDS)
        except queue.Empty:
            return SidecarFailed.exit_code

    yield answer


def _remove(client: docker.DockerClient, name: str) -> None:
    """Stop the container if it still runs, then remove it; auto_remove may have done so before."""
    with contextlib.suppress(DockerException, requests.exceptions.RequestException):
        container = client.containers.get(name)
        if container.status == "running":
            container.stop(timeout=STOP_SECONDS)
        container.remove(force=True, v=True)


def _sweep(client: docker.DockerClient) -> None:
    """Remove containers that a killed launcher has made but not started."""
    with contextlib.suppress(DockerException, requests.exceptions.RequestException):
        for old in client.api.containers(all=True, filters={"label": LABEL, "status": "created"}):
            if time.time() - old["Created"] >= STALE_SECONDS:
                client.api.remove_container(old["Id"], v=True)


def _unbroken(request: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Finish a request even at a signal: the engine would go on with an interrupted one."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(request, *args, **kwargs).result()


@contextlib.contextmanager
def _attached(container: Any) -> Iterator[socket.socket]:
    """The container's input and output; the input ends when the `with` does."""
    params = {"stdin": 1, "stdout": 1, "stderr": 1, "stream": 1}
    found = container.attach_socket(params=params)
    # The SDK wraps the connection in a SocketIO; the job's line needs the socket itself.
    stream = cast("socket.socket", getattr(found, "_sock", found))
    try:
        yield stream
    finally:
        # Both hold the connection, so both are closed. Else it lasts until the SDK's response,
        # which refers to itself, is collected.
        found.close()
        stream.close()


def _start(container: Any) -> None:
    try:
        _unbroken(container.start)
    except APIError as error:
        raise _start_error(error) from None


def _start_error(error: APIError) -> errors.BorgpullError:
    text = _first_line(error.explanation or error)
    if "/dev/fuse" in text:
        return NoFuseDevice("the engine's host has no /dev/fuse", hint="modprobe fuse on that host")
    return SidecarFailed(f"the sidecar cannot be started: {text}")


def _follow(
    stream: socket.socket, job: Job, emit: Emit, write_raw: RawWriter
) -> tuple[Result | None, str]:
    """Emit events until the container's output ends; returns the result and the last errors."""
    rest, result = b"", None
    tail: deque[bytes] = deque(maxlen=5)
    for kind, data in _frames(stream):
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
            elif event is not None:
                emit(event)
    return result, b" ".join(tail).decode(errors="replace")


def _frames(stream: socket.socket) -> Iterator[tuple[int, bytes]]:
    """Docker's multiplexed stream (Engine API, ContainerAttach): 1 is stdout, 2 is stderr."""
    stream.settimeout(None)
    with contextlib.suppress(ConnectionError):
        yield from frames_iter(stream, tty=False)  # type: ignore[no-untyped-call]


def _first_line(error: object) -> str:
    return next(iter(str(error).strip().splitlines()), "no message")[:300]
