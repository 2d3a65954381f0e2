"""The one door to subprocesses: argument lists only, never a shell, always bounded in time."""

from __future__ import annotations

import contextlib
import os
import queue
import signal
import subprocess
import threading
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import IO, Literal

from borgpull.secrets import Secret

Stream = Literal["stdout", "stderr"]
TAIL_LINES = 40
# A client that sends no end of line must not fill our memory: what is longer comes in pieces.
LINE_BYTES = 1 << 20
# A child gets this long after each of SIGTERM and SIGKILL before we go on without it.
GRACE_SECONDS = 20.0


class CommandError(Exception):
    """A command that could not run, ran out of time, or was not to fail and did.

    Internal: callers turn it into an error of `borgpull.errors`. `stderr` is its end, decoded.
    """

    def __init__(self, argv: Sequence[str], returncode: int, stderr: str, reason: str = "") -> None:
        self.argv, self.returncode, self.stderr = tuple(argv), returncode, stderr
        super().__init__(reason or f"{argv[0]} ended with {returncode}: {stderr.strip()[-500:]}")


@dataclass(frozen=True)
class Completed:
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


def base_env(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    env = {name: os.environ[name] for name in _PASSED if name in os.environ}
    env.setdefault("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
    env["LC_ALL"] = "C.UTF-8"  # borg's --log-json and our parsers of messages rely on it
    env.update(extra or {})
    return env


def as_batch() -> None:
    """Make this process and all that it will start batch processes (sched(7)), where one can.

    borg writes a message for each small file. Whoever carries it on (ssh, socat, borg at the other
    end) would take the CPU from borg each time; so it gets several at once, when borg waits. A
    first backup of 100,000 files by pipe on two cores, client and server: 13.8 s instead of 19.3.
    """
    with contextlib.suppress(OSError, AttributeError):
        os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))


def run(
    argv: Sequence[str],
    *,
    timeout: float,
    stdin: bytes = b"",
    env: Mapping[str, str] | None = None,
    pass_fds: Sequence[int] = (),
    check: bool = True,
) -> Completed:
    """Run to the end. Raises CommandError on time-out, no such program, (with check) failure."""
    args = _checked(argv)
    try:
        done = subprocess.run(
            args,
            input=stdin,
            capture_output=True,
            timeout=timeout,
            env=base_env(env),
            pass_fds=pass_fds,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        text = (error.stderr or b"").decode(errors="replace")
        raise CommandError(args, -1, text, f"{args[0]} took over {timeout:g} s") from None
    except OSError as error:
        raise CommandError(
            args, 127, str(error), f"cannot run {args[0]}: {error.strerror}"
        ) from None
    result = Completed(done.returncode, done.stdout, done.stderr.decode(errors="replace"))
    if check and result.returncode != 0:
        raise CommandError(args, result.returncode, result.stderr)
    return result


@contextlib.contextmanager
def pipe() -> Iterator[tuple[IO[bytes], IO[bytes]]]:
    """Both ends of a pipe(2), reading and writing, closed on the way out; writing is unbuffered.

    Who has given an end to a child closes it: each must be open in one process only, or nobody sees
    the other's end.
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


class Running:
    """A long-running child: its lines as they come, its end, and a bounded way to stop it."""

    def __init__(self, popen: subprocess.Popen[bytes], name: str) -> None:
        self.popen, self.name = popen, name
        self.tail: deque[str] = deque(maxlen=TAIL_LINES)
        self._queue: queue.SimpleQueue[tuple[Stream, bytes | None]] = queue.SimpleQueue()
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
                    self.tail.append(line.decode(errors="replace").rstrip("\n"))
                self._queue.put((stream, line))
        self._queue.put((stream, None))

    def lines(self, tick: float = 0.5) -> Iterator[tuple[Stream, bytes] | None]:
        """Lines until both ends are closed; None every `tick` seconds without one."""
        while self._open:
            try:
                stream, line = self._queue.get(timeout=tick)
            except queue.Empty:
                yield None
                continue
            if line is None:
                self._open -= 1
            else:
                yield stream, line

    def alive(self) -> bool:
        return self.popen.poll() is None

    def wait(self, timeout: float) -> int:
        try:
            return self.popen.wait(timeout)
        except subprocess.TimeoutExpired:
            raise CommandError(
                [self.name], -1, self.stderr(), f"{self.name} does not end"
            ) from None

    def stderr(self) -> str:
        """The last lines it wrote to standard error, after giving the reader a moment."""
        if not self.alive() and "stderr" in self._readers:
            self._readers["stderr"].join(1.0)  # a grandchild may hold it open
        return "\n".join(self.tail)

    def stop(self, first: signal.Signals = signal.SIGTERM, grace: float = GRACE_SECONDS) -> None:
        """Polite signal, wait, SIGKILL, wait. Never raises; does nothing when it has ended."""
        for signum, patience in ((first, grace), (signal.SIGKILL, 5.0)):
            if not self.alive():
                break
            with contextlib.suppress(ProcessLookupError):
                self.popen.send_signal(signum)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.popen.wait(patience)


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
    """Start a child and stop it on the way out, however that comes.

    It gets a session of its own: a Ctrl-C on the terminal must reach us alone, or ssh would die
    under a borg that is still writing. Raises CommandError where the program is missing.
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
