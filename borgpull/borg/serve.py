"""`borg serve` on this side, for one repository, and a unix socket that leads to it."""

from __future__ import annotations

import contextlib
import os
import shlex
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Self

from borgpull.borg.command import Borg
from borgpull.borg.inside import readonly, waiting
from borgpull.borg.spares import WAITING
from borgpull.errors import BorgFailed
from borgpull.process import CommandError, Running, pipe, running

LISTEN_SECONDS = 10.0
SERVE_END_SECONDS = 5.0
# Bytes that socat copies at a time. Its default is 8 KiB, but borg's messages are megabytes.
BUFFER = "131072"
# With this before `borg serve`, it can only read, whatever the client asks.
READ_ONLY = (sys.executable, "-P", "-m", "borgpull.borg.inside.readonly")


def serve(server: Borg) -> list[str]:
    """The words of a `borg serve` for this one repository, which cannot delete for good."""
    repository = str(server.repository)
    return ["borg", "serve", "--append-only", "--restrict-to-repository", repository]


def serve_env(server: Borg) -> dict[str, str]:
    """The environment of `borg serve`, without borg's self-test of encryption and chunking."""
    return {**server.env(None), "BORG_SELFTEST": "disabled"}


@dataclass(frozen=True)
class Serving:
    """How a `borg serve` is started: its command line, its environment, its descriptors."""

    argv: Sequence[str]
    env: Mapping[str, str]
    fds: tuple[int, ...] = ()

    def running(
        self, *, stdin: IO[bytes], stdout: IO[bytes], before: Sequence[str] = ()
    ) -> AbstractContextManager[Running]:
        """Start it; `before` are words before its command line."""
        argv = [*before, *self.argv]
        return running(
            argv, name="borg serve", env=self.env, pass_fds=self.fds, stdin=stdin, stdout=stdout
        )


class Gate:
    """Holds back a `borg serve`: it has loaded its code, and does nothing before `open`.

    Without `open`, it ends at `close`.
    """

    def __init__(self, server: Borg, reader: IO[bytes], writer: IO[bytes]) -> None:
        self._server, self._reader, self._writer = server, reader, writer

    def serving(self) -> Serving:
        fd = self._reader.fileno()
        return Serving([*WAITING, str(fd)], serve_env(self._server), (fd,))

    def open(self) -> None:
        self._writer.write(waiting.line(serve(self._server)))

    def close(self) -> None:
        self._writer.close()


def served(server: Borg, gate: Gate | None = None) -> Serving:
    """A `borg serve` that works at once or, with a gate, once the gate is open."""
    return Serving(serve(server), serve_env(server)) if gate is None else gate.serving()


@contextlib.contextmanager
def gate(server: Borg) -> Iterator[Gate]:
    with pipe() as (reader, writer):
        yield Gate(server, reader, writer)


class Handed:
    """The number of chunks that a read-only `borg serve` has handed out so far.

    borg on the target could tell its progress (--progress). But then it would read the archive's
    list once more.
    """

    def __init__(self) -> None:
        self.fd = os.memfd_create("borgpull-chunks")
        os.ftruncate(self.fd, readonly.COUNT_BYTES)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self.fd)

    def serving(self, server: Borg) -> Serving:
        env = {**serve_env(server), readonly.COUNT_FD: str(self.fd)}
        return Serving([*READ_ONLY, *serve(server)], env, (self.fd,))

    def __call__(self) -> int:
        return int.from_bytes(os.pread(self.fd, readonly.COUNT_BYTES, 0), sys.byteorder)


@contextlib.contextmanager
def listening(start: Serving, socket: Path) -> Iterator[None]:
    """A `borg serve` for the first client that connects. Raises BorgFailed.

    It is started now, because it takes as long to start as the borg that will connect.
    """
    # socat passes on the client's end only by ending itself. By default it does so half a second
    # later.
    argv = ["socat", "-b", BUFFER, "-t", "0.01", f"UNIX-LISTEN:{socket},mode=600", "STDIO"]
    with (
        pipe() as (requests, to_serve),
        pipe() as (replies, from_serve),
        removed(socket),
        start.running(stdin=requests, stdout=from_serve) as serving,
        running(argv, name="socat", stdin=replies, stdout=to_serve) as child,
    ):
        for end in (requests, to_serve, replies, from_serve):
            end.close()
        _await_socket(child, socket)
        with ended(child, serving):
            yield


@contextlib.contextmanager
def ended(peer: Running, serving: Running) -> Iterator[None]:
    """On the way out, end the peer, and so the input of `borg serve`, which then ends.

    `borg serve` frees its lock once its input has ended. A signal just then would leave the lock.
    """
    try:
        yield
    finally:
        peer.stop(grace=5)
        with contextlib.suppress(CommandError):
            serving.wait(SERVE_END_SECONDS)


@contextlib.contextmanager
def serving_all(server: Borg, folder: Path, socket: Path) -> Iterator[Running]:
    """A socat that starts a `borg serve` for each client that connects. Raises BorgFailed."""
    script = folder / "serve.sh"  # socat's EXEC splits at blanks and knows no quotes
    # Half a second after the client's end, or when it is stopped, socat sends SIGTERM to the
    # command. borg would leave its lock. So the shell ignores it, and borg ends with its input.
    script.write_text(f"trap '' TERM\n{shlex.join(serve(server))}\nexit $?\n")
    argv = ["socat", "-b", BUFFER, f"UNIX-LISTEN:{socket},mode=600,fork", f"EXEC:sh {script}"]
    with removed(socket), running(argv, name="socat", env=serve_env(server)) as child:
        _await_socket(child, socket)
        yield child


def _await_socket(socat: Running, socket: Path) -> None:
    """Raises BorgFailed."""
    deadline = time.monotonic() + LISTEN_SECONDS
    while not socket.exists():
        if not socat.alive() or time.monotonic() > deadline:
            raise BorgFailed(f"socat does not listen: {socat.stderr()[-300:]}")
        time.sleep(0.01)


@contextlib.contextmanager
def removed(socket: Path) -> Iterator[None]:
    """Remove the socket before and after. socat does so itself, but not if it is killed."""
    socket.unlink(missing_ok=True)
    try:
        yield
    finally:
        socket.unlink(missing_ok=True)
