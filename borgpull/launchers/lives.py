"""The life of a container, through Docker's SDK: its streams, its exit code, its end."""

from __future__ import annotations

import contextlib
import queue
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, cast

import docker
import requests
from docker.errors import APIError, DockerException, NotFound
from docker.utils.socket import frames_iter

from borgpull import signals
from borgpull.launchers.needs import STOP_SECONDS

ENGINE = (DockerException, requests.exceptions.RequestException)  # what the SDK raises
GONE_SECONDS = 60.0  # its volume may be large
# An engine that hangs keeps its connections. So it is asked now and then whether it is there.
PULSE_SECONDS, ANSWER_SECONDS, DEAD_SECONDS = 10.0, 20, 60.0
LAST_SECONDS = 1  # for each request to an engine that is dead


@contextlib.contextmanager
def exit_code(container: Any) -> Iterator[Callable[[], int | None]]:
    """A function that waits for the container's exit code; None if the engine tells none.

    The waiting begins before the start: a container that removes itself cannot be asked later.
    """
    found: queue.SimpleQueue[int | None] = queue.SimpleQueue()

    def wait() -> None:
        try:
            found.put(int(container.wait(timeout=None, condition="next-exit")["StatusCode"]))
        except ENGINE:
            found.put(None)

    threading.Thread(target=wait, daemon=True).start()

    def answer() -> int | None:
        try:
            return found.get(timeout=min(STOP_SECONDS, container.client.api.timeout))
        except queue.Empty:
            return None

    yield answer


def remove(client: docker.DockerClient, name: str) -> bool:
    """Stop the container if it still runs, then remove it; auto_remove may have begun before.

    Is it gone afterwards? Who comes next must not meet it.
    """
    with contextlib.suppress(*ENGINE):
        container = client.containers.get(name)
        if container.status == "running":
            container.stop(timeout=STOP_SECONDS)
        container.remove(force=True, v=True)
    return gone(client, name)


def gone(client: docker.DockerClient, name: str) -> bool:
    """Is it gone in the end? auto_remove may still be at it."""
    deadline = time.monotonic() + signals.patience(GONE_SECONDS)
    while True:
        try:
            client.api.inspect_container(name)
        except NotFound:
            return True
        except ENGINE:
            return False
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)


def unbroken(request: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Finish a request even at a signal: the engine would go on with an interrupted one."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(request, *args, **kwargs).result()


@contextlib.contextmanager
def attached(container: Any) -> Iterator[socket.socket]:
    """The container's input and output; the input ends when the `with` does.

    The output ends, too, once the engine is dead.
    """
    params = {"stdin": 1, "stdout": 1, "stderr": 1, "stream": 1}
    found = container.attach_socket(params=params)
    # The SDK wraps the connection in a SocketIO; the job's line needs the socket itself.
    stream = cast("socket.socket", getattr(found, "_sock", found))
    over = threading.Event()
    watch = threading.Thread(target=_watch, args=(container.client, stream, over), daemon=True)
    watch.start()
    try:
        yield stream
    finally:
        over.set()
        # Both hold the connection, so both are closed. Else it lasts until the SDK's response,
        # which refers to itself, is collected.
        found.close()
        stream.close()


def _watch(client: docker.DockerClient, stream: socket.socket, over: threading.Event) -> None:
    """Cut the stream when the engine has not answered for DEAD_SECONDS.

    What is asked of it after that gets little patience: the user waits for the end.
    """
    answered = time.monotonic()
    while not over.wait(PULSE_SECONDS):
        begun = time.monotonic()
        if _answers():
            answered = begun
        elif time.monotonic() - answered > DEAD_SECONDS:
            client.api.timeout = LAST_SECONDS
            cut(stream)
            return


def _answers() -> bool:
    """Does the engine answer at all, whatever it says?"""
    try:
        with contextlib.closing(docker.from_env(timeout=ANSWER_SECONDS)) as asking:
            asking.ping()
    except APIError:
        return True
    except ENGINE:
        return False
    return True


def cut(stream: socket.socket) -> None:
    """End it for whoever reads from it."""
    with contextlib.suppress(OSError):  # it has ended
        stream.shutdown(socket.SHUT_RDWR)


def frames(stream: socket.socket) -> Iterator[tuple[int, bytes]]:
    """Docker's multiplexed stream (Engine API, ContainerAttach): 1 is stdout, 2 is stderr."""
    stream.settimeout(None)
    with contextlib.suppress(OSError):  # the engine, or the way to it, is gone
        yield from frames_iter(stream, tty=False)  # type: ignore[no-untyped-call]


def first_line(error: object) -> str:
    return next(iter(str(error).strip().splitlines()), "no message")[:300]
