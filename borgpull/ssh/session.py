"""One connection to a client that several commands share (ssh_config(5): ControlMaster).

Over a slow link a new connection costs some ten round trips, a command on a shared one two.
"""

from __future__ import annotations

import contextlib
import errno
import os
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from borgpull.errors import ConnectionLost, HostileClient
from borgpull.process import CommandError, Completed, Running, TooMuchOutput, run, running
from borgpull.ssh import dialling
from borgpull.ssh.config import TELLING, SshConfig

CONNECT_SECONDS = 60.0
TICK_SECONDS, LOGIN_TICK_SECONDS = 0.005, 0.001
LAST_MOMENT_SECONDS = 2.0
# What a command hears of a mount by sshfs whose connection has ended.
BROKEN = (errno.EIO, errno.ENOTCONN)
# The longest usual answer is a list of some thousand mounts, in bytes.
MAX_ANSWER = 16 << 20


class Session(NamedTuple):
    """A live connection; `alive()` is false once it has ended, for whatever reason."""

    config: SshConfig
    socket: Path
    master: Running
    options: tuple[str, ...] = ()

    def alive(self) -> bool:
        return self.master.alive()

    def command(self, *words: str) -> list[str]:
        """The command line that runs `words` on the client, by its login shell."""
        return self.config.command(*words, options=self._shared())

    def subsystem(self, name: str) -> list[str]:
        """The command line that begins a subsystem of the client's sshd, `sftp` say."""
        return self.config.command(name, options=(*self._shared(), "-s"))

    def _shared(self) -> tuple[str, ...]:
        """Once the shared connection is gone, ssh would make a new one: not with ProxyCommand."""
        return ("-S", str(self.socket), "-o", "ProxyCommand=false", *self.options)

    def run(
        self, *words: str, stdin: bytes = b"", timeout: float = 60.0, max_output: int = MAX_ANSWER
    ) -> Completed:
        """Run `words` to their end; the caller looks at the exit code.

        Raises ConnectionLost; HostileClient if the answer has no end.
        """
        try:
            argv = self.command(*words)
            done = run(argv, timeout=timeout, stdin=stdin, check=False, max_output=max_output)
        except TooMuchOutput:
            raise HostileClient(f"{self.config.target} answers without end") from None
        except CommandError as error:
            raise ConnectionLost(f"{self.config.target} does not answer: {error}") from None
        if lost(self.alive, done.returncode):
            raise ConnectionLost(f"the connection to {self.config.target} broke during the run")
        return done

    def control(self, action: str, *options: str) -> Completed:
        """Send the connection's master a request: `ssh -O ACTION OPTIONS` (ssh(1))."""
        argv = self.config.command(options=("-S", str(self.socket), "-O", action, *options))
        return run(argv, timeout=CONNECT_SECONDS, check=False)


# ssh ends with this code for its own failures; else with the code of the command (ssh(1)).
SSH_FAILED = 255


def lost(alive: Callable[[], bool], code: int, said: str = "") -> bool:
    """Has a command that ended with `code`, and has `said` this, failed by its connection's end?

    The ssh of a command ends with 255, a moment before the ssh that holds the connection. sshfs
    answers with errors first, too, and a command on the mount may be done before sshfs has ended.
    """
    heard = code != 0 and any(os.strerror(number) in said for number in BROKEN)
    return ended(alive, soon=code == SSH_FAILED or heard) and code != 0


def ended(alive: Callable[[], bool], *, soon: bool) -> bool:
    """Has the connection ended? If it may do so `soon`, wait a moment for that."""
    deadline = time.monotonic() + (LAST_MOMENT_SECONDS if soon else 0)
    while alive() and time.monotonic() < deadline:
        time.sleep(TICK_SECONDS)
    return not alive()


@contextlib.contextmanager
def _master(config: SshConfig, socket: Path, options: Sequence[str]) -> Iterator[Running]:
    """The ssh that holds the connection."""
    words = ["-M", "-S", str(socket), "-N", *TELLING, *options]
    dialled = dialling.dialled(config.target) if config.direct else contextlib.nullcontext()
    with contextlib.ExitStack() as stack:
        with dialled as link:
            ends: dict[str, Any] = {}
            if link is not None:
                words += dialling.OPTIONS
                ends = {"stdin": link.fileno(), "stdout": link.fileno()}
            argv = config.command(options=words)
            master = stack.enter_context(running(argv, name="ssh", grace=5, **ends))
        yield master  # the link is ssh's alone


@contextlib.contextmanager
def begun(config: SshConfig, folder: Path, options: Sequence[str] = ()) -> Iterator[Session]:
    """Begin to connect; `options` win over the configuration. It ends with this block.

    Raises CommandError if there is no ssh.
    """
    socket = folder / "mux"
    socket.unlink(missing_ok=True)  # of one that was killed
    with _master(config, socket, options) as master:
        yield Session(config, socket, master, tuple(options))


def await_login(session: Session) -> None:
    """Raises what `diagnose.from_ssh` finds."""
    config, master = session.config, session.master
    deadline = time.monotonic() + CONNECT_SECONDS
    while master.alive() and time.monotonic() < deadline:
        if session.socket.exists():
            return
        time.sleep(LOGIN_TICK_SECONDS)
    # What only a failure needs takes 5 ms to load.
    from borgpull.ssh.diagnose import from_ssh

    raise from_ssh(master.stderr(), config.target, via=config.via)


@contextlib.contextmanager
def connected(config: SshConfig, folder: Path, options: Sequence[str] = ()) -> Iterator[Session]:
    """Connect and keep the connection until the end. As `begun`; raises as `await_login`."""
    with begun(config, folder, options) as session:
        await_login(session)
        yield session
