"""The engine of `stream` while it loads its code: nobody knows yet what it is to do.

That takes as long as to read a command line and to connect, so it may begin before both (`ahead`).
Whoever wants an engine takes that one, or starts another. One that nobody takes has opened nothing,
and is ended.
"""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import IO, Any, NamedTuple

from borgpull.process import CommandError, Running, pipe, running
from borgpull.secrets import Secret

PROGRAM = (sys.executable, "-P", "-m", "borgpull.borg.inside.stream")
# borg reads the first when it is loaded. The host id comes with the rest: without any, borg would
# ask the network for one. PYTHONUNBUFFERED must not be here: it loses the rest of a line if the
# process is frozen while the pipe is full (`docker pause`).
ENV = {
    "BORG_EXIT_CODES": "modern",
    "TZ": "UTC",
}
# malloc(3), mallopt(3). By itself, glibc gives each large block back to the kernel, which clears it
# before the next use. That took 0.7 s of a processor for each gigabyte of content.
_MALLOC = {"MALLOC_MMAP_THRESHOLD_": str(32 << 20), "MALLOC_TRIM_THRESHOLD_": str(64 << 20)}
LANES = 3  # more channels than the first one, at most (`inside/lanes.py`)
_NOBODY = {"BORG_HOST_ID": "borgpull-loading"}
# The name of the variable with the passphrase's file descriptor.
PASSPHRASE_FD = "BORG_PASSPHRASE_FD"  # noqa: S105 - a name

Pipes = tuple[IO[bytes], IO[bytes]]


class Loading(NamedTuple):
    """The child; our ends of its pipes, and the reader's; and where the passphrase goes in."""

    process: Running
    ours: Pipes
    theirs: Pipes
    lanes: tuple[IO[bytes], ...]  # where more channels write
    secret: IO[bytes]
    secret_fd: int  # of the child

    def begin(
        self, env: Mapping[str, str], passphrase: Secret | None, words: Sequence[str], marks: str
    ) -> None:
        """Tell it what it is: the rest of its environment, its last words, and the folder where
        marks are that all clients share."""
        own = dict(env)
        with self.secret, contextlib.suppress(BrokenPipeError):
            if passphrase is not None:
                self.secret.write(passphrase.reveal().encode())
                own[PASSPHRASE_FD] = str(self.secret_fd)
        self.tell({"env": own, "words": list(words), "marks": marks})

    def tell(self, message: dict[str, Any]) -> None:
        import json

        assert self.process.popen.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # it has ended, and its code says why
            self.process.popen.stdin.write(json.dumps(message).encode() + b"\n")
            self.process.popen.stdin.flush()


@contextlib.contextmanager
def loading() -> Iterator[Loading]:
    """One that ends with this block, in any case."""
    with (
        contextlib.ExitStack() as stack,
        pipe() as (answers, for_answers),
        pipe() as (from_requests, requests),
        pipe() as (for_secret, secret),
    ):
        lanes = [stack.enter_context(pipe()) for _ in range(LANES)]
        fds = tuple(end.fileno() for end in (answers, requests, *(ends[0] for ends in lanes)))
        secret_fd = for_secret.fileno()
        with running(
            [*PROGRAM, *map(str, fds)],
            name="borg create",
            env={**ENV, **_MALLOC, **_NOBODY},
            pass_fds=(*fds, secret_fd),
            stdin=subprocess.PIPE,
        ) as process:
            for end in (for_secret, *(ends[0] for ends in lanes)):
                end.close()
            theirs, more = (from_requests, for_answers), tuple(ends[1] for ends in lanes)
            try:
                yield Loading(process, (answers, requests), theirs, more, secret, secret_fd)
            finally:
                assert process.popen.stdin is not None
                with contextlib.suppress(BrokenPipeError):
                    process.popen.stdin.close()


# The one that was started ahead, and what ends it.
_ahead: list[tuple[Loading, Callable[[], None]]] = []


@contextlib.contextmanager
def ahead() -> Iterator[None]:
    """Start one for the first that is wanted inside. If it cannot run, `taken` will tell why."""
    with contextlib.ExitStack() as stack:
        stack.callback(_ahead.clear)
        with contextlib.suppress(CommandError, OSError):
            _ahead.append((stack.enter_context(loading()), stack.close))
        yield


@contextlib.contextmanager
def taken() -> Iterator[Loading]:
    """The one that was started ahead, else a new one. It ends with this block."""
    if not _ahead:
        with loading() as fresh:
            yield fresh
        return
    found, end = _ahead.pop()
    try:
        yield found
    finally:
        end()
