"""The one door to subprocesses: argument lists only, never a shell, always bounded in time."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import threading
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from typing import IO, Literal, NamedTuple, Protocol

from borgpull import signals
from borgpull.secrets import Secret
from borgpull.streams import Lines, exchange

Stream = Literal["stdout", "stderr"]
TAIL_LINES = 40
TAIL_BYTES = 4096
# A client that sends no end of line must not fill our memory: a longer line comes in pieces.
LINE_BYTES = 1 << 20
# The limit of standard output for `run`, in bytes, unless its caller sets another one.
MAX_OUTPUT = 64 << 20
# Seconds that a child gets to end after SIGTERM.
GRACE_SECONDS = 20.0


class CommandError(Exception):
    """A command that could not run, took too long, or failed although it must not.

    Internal: callers turn it into an error of `borgpull.errors`. `stderr` is the end of its
    standard error, decoded.
    """

    def __init__(self, argv: Sequence[str], returncode: int, stderr: str, reason: str = "") -> None:
        self.argv, self.returncode, self.stderr = tuple(argv), returncode, stderr
        super().__init__(reason or f"{argv[0]} ended with {returncode}: {stderr.strip()[-500:]}")


class Completed(NamedTuple):
    returncode: int
    stdout: bytes
    stderr: str


def _checked(argv: Sequence[str]) -> list[str]:
    for item in argv:
        if isinstance(item, Secret) or not isinstance(item, str):
            raise TypeError(f"a secret (or no text) in the arguments of {argv[0]}")
    return list(argv)


# What a child needs from our environment; everything else stays here (BORG_*, tokens, ...).
_PASSED = ("PATH", "LANG", "LC_ALL", "TERM", "HOME", "TZ", "SSH_AUTH_SOCK")
# Variables that give a nameless user id a name (`cli.somebody`): all of them are passed, or none.
NAMED = ("LD_PRELOAD", "NSS_WRAPPER_PASSWD", "NSS_WRAPPER_GROUP")


def base_env(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    passed = (*_PASSED, *NAMED) if NAMED[1] in os.environ else _PASSED
    env = {name: os.environ[name] for name in passed if name in os.environ}
    env.setdefault("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
    # borg's --log-json and our parsers of messages rely on the first, kill.sh on the second.
    return {**env, "LC_ALL": "C.UTF-8", "BORGPULL_SERVER": "1", **(extra or {})}


def as_batch() -> None:
    """Make this process and its children batch processes (sched(7)), if possible.

    borg writes a message for each small file. The program that passes it on (ssh, socat, borg at
    the other end) would take the CPU from borg each time. As a batch process, it gets several
    messages at once, when borg waits. A first backup of 100,000 files by pipe on two cores, client
    and server, takes 13.8 s instead of 19.3.
    """
    with contextlib.suppress(OSError, AttributeError):
        os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))


class TooMuchOutput(CommandError):
    """A command that printed more than it may: a client can send without end."""


def run(
    argv: Sequence[str],
    *,
    timeout: float,
    stdin: bytes = b"",
    env: Mapping[str, str] | None = None,
    pass_fds: Sequence[int] = (),
    check: bool = True,
    max_output: int = MAX_OUTPUT,
) -> Completed:
    """Run a command to its end; only the last MAX_STDERR bytes of standard error are kept.

    Raises CommandError for a time-out, a missing program, and (with `check`) a failure;
    TooMuchOutput beyond `max_output` bytes of standard output.
    """
    args = _checked(argv)
    try:
        child = subprocess.Popen(
            args,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=base_env(env),
            pass_fds=pass_fds,
        )
    except OSError as error:
        raise CommandError(
            args, 127, str(error), f"cannot run {args[0]}: {error.strerror}"
        ) from None
    with child:
        try:
            said = exchange(child, stdin, timeout=timeout, max_output=max_output)
            code = child.wait(signals.patience(timeout))
        except subprocess.TimeoutExpired as error:
            text = (error.stderr or b"").decode(errors="replace")
            raise CommandError(args, -1, text, f"{args[0]} took over {timeout:g} s") from None
        except OverflowError:
            reason = f"{args[0]} said more than {max_output} bytes"
            raise TooMuchOutput(args, -1, "", reason) from None
        finally:
            child.kill()
    result = Completed(code, said[0], said[1].decode(errors="replace"))
    if check and result.returncode != 0:
        raise CommandError(args, result.returncode, result.stderr)
    return result


@contextlib.contextmanager
def pipe() -> Iterator[tuple[IO[bytes], IO[bytes]]]:
    """Both ends of a pipe(2), reading and writing, closed on the way out; writing is unbuffered.

    After passing an end to a child, close it here. A write end left open in another process keeps
    the reader from seeing end of file.
    """
    read_end, write_end = os.pipe()
    with os.fdopen(read_end, "rb") as reader, os.fdopen(write_end, "wb", 0) as writer:
        yield reader, writer


def passthrough(
    argv: Sequence[str], *, env: Mapping[str, str] | None = None, pass_fds: Sequence[int] = ()
) -> int:
    """Run with our own standard output and error, no input; returns the exit code.

    On an exception (a signal, say) the child is stopped first. Raises CommandError if missing.
    """
    args = _checked(argv)
    try:
        child = subprocess.Popen(
            args, stdin=subprocess.DEVNULL, env=base_env(env), pass_fds=pass_fds
        )
    except OSError as error:
        raise CommandError(
            args, 127, str(error), f"cannot run {args[0]}: {error.strerror}"
        ) from None
    try:
        return child.wait()
    finally:
        Running(child, args[0]).stop()


class Saying(Protocol):
    """What says lines, and ends: a child, or a part of its life."""

    def lines(self) -> Iterator[tuple[Stream, bytes] | None]:
        """As `Running.lines`."""

    def wait(self, timeout: float) -> int:
        """The exit code, within `timeout` seconds. Raises CommandError."""


class Running:
    """A long-running child: its lines as they come, its end, and a bounded way to stop it.

    A child that writes faster than its lines are read must wait. If its lines are never read, only
    the last ones are kept.
    """

    def __init__(self, popen: subprocess.Popen[bytes], name: str) -> None:
        self.popen, self.name = popen, name
        self.tail: deque[str] = deque(maxlen=TAIL_LINES)
        self._lines: Lines[tuple[Stream, bytes | None]] = Lines()
        self._open = 0
        self._readers: dict[str, threading.Thread] = {}
        for stream, pipe in (("stdout", popen.stdout), ("stderr", popen.stderr)):
            if pipe is not None:
                self._open += 1
                reader = threading.Thread(target=self._pump, args=(stream, pipe), daemon=True)
                self._readers[stream] = reader
                reader.start()

    def _pump(self, stream: Stream, pipe: IO[bytes]) -> None:
        with pipe:
            for line in iter(lambda: pipe.readline(LINE_BYTES), b""):
                if stream == "stderr":
                    self.tail.append(line[-TAIL_BYTES:].decode(errors="replace").rstrip("\n"))
                self._lines.put((stream, line), len(line))
        self._lines.put((stream, None), 0)

    def lines(self, tick: float = 0.5) -> Iterator[tuple[Stream, bytes] | None]:
        """Lines until both ends are closed; None every `tick` seconds without one."""
        while self._open:
            item = self._lines.get(tick)
            if item is None:
                yield None
                continue
            stream, line = item
            if line is None:
                self._open -= 1
            else:
                yield stream, line

    def alive(self) -> bool:
        return self.popen.poll() is None

    def wait(self, timeout: float) -> int:
        try:
            return self._ended(signals.patience(timeout))
        except subprocess.TimeoutExpired:
            raise CommandError(
                [self.name], -1, self.stderr(), f"{self.name} does not end"
            ) from None

    def _ended(self, seconds: float) -> int:
        """As `Popen.wait`, which may hear of the end 50 ms late. Raises TimeoutExpired."""
        begun = time.monotonic()
        if not self.alive():  # its number may be another process's by now
            return self.popen.returncode
        with contextlib.suppress(AttributeError, OSError):  # a system may not have it
            pidfd = os.pidfd_open(self.popen.pid)
            try:
                poll = select.poll()
                poll.register(pidfd, select.POLLIN)
                poll.poll(min(seconds, 1e6) * 1000)
            finally:
                os.close(pidfd)
        return self.popen.wait(max(begun + seconds - time.monotonic(), 0))

    def stderr(self) -> str:
        """The last lines it wrote to standard error, after giving the reader a moment."""
        if not self.alive() and "stderr" in self._readers:
            self._readers["stderr"].join(1.0)  # a grandchild may hold it open
        return "\n".join(self.tail)

    def stop(self, first: signal.Signals = signal.SIGTERM, grace: float = GRACE_SECONDS) -> None:
        """Polite signal, wait, SIGKILL, wait. Never raises; does nothing when it has ended."""
        self._lines.abandon()
        for signum, patience in ((first, grace), (signal.SIGKILL, 5.0)):
            if not self.alive():
                break
            with contextlib.suppress(ProcessLookupError):
                self.popen.send_signal(signum)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._ended(signals.patience(patience))


@contextlib.contextmanager
def running(
    argv: Sequence[str],
    *,
    name: str,
    env: Mapping[str, str] | None = None,
    pass_fds: Sequence[int] = (),
    stdin: int | IO[bytes] = subprocess.DEVNULL,
    stdout: int | IO[bytes] = subprocess.PIPE,
    grace: float = GRACE_SECONDS,
) -> Iterator[Running]:
    """Start a child, and stop it on the way out in any case.

    It gets a session of its own: a Ctrl-C on the terminal must reach this process alone. Else ssh
    would die while borg is still writing. Raises CommandError if the program is missing.
    """
    args = _checked(argv)
    try:
        popen = subprocess.Popen(
            args,
            stdin=stdin,
            stdout=stdout,
            stderr=subprocess.PIPE,
            env=base_env(env),
            pass_fds=pass_fds,
            start_new_session=True,
        )
    except OSError as error:
        raise CommandError(
            args, 127, str(error), f"cannot run {args[0]}: {error.strerror}"
        ) from None
    child = Running(popen, name)
    try:
        yield child
    finally:
        child.stop(grace=grace)
