"""How stock borg is called for one client: repository, environment, prefix."""

from __future__ import annotations

import contextlib
import json
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from borgpull.borg import messages
from borgpull.borg.spares import Sink, Spares
from borgpull.errors import BorgFailed
from borgpull.process import CommandError, Completed, Running, run, running
from borgpull.secrets import Secret, as_fd

# A borg command that only looks at the repository; the first after a lost cache rebuilds it.
TIMEOUT = 24 * 3600.0
# These write no data and chunk nothing: what borg's self-test, a third of a listing's time, is
# about. What is extracted is authenticated, piece by piece.
QUICK = {"list", "rename", "extract"}
NO_SELFTEST = {"BORG_SELFTEST": "disabled"}


@dataclass(frozen=True)
class Borg:
    """borg for one client. `prefix` is put before every command line (the jail's entrance)."""

    client: str
    repository: Path
    base: Path  # cache, configuration, keys and security folder: what must last
    passphrase: Secret | None
    host_id: str
    lock_wait: int = 60
    prefix: tuple[str, ...] = ()
    extra_env: dict[str, str] = field(default_factory=dict)
    spares: Spares | None = None

    def env(self, fd: int | None) -> dict[str, str]:
        env = {
            "BORG_REPO": str(self.repository),
            "BORG_BASE_DIR": str(self.base),
            "BORG_CACHE_DIR": str(self.base / "cache"),
            "BORG_CONFIG_DIR": str(self.base / "config"),
            "BORG_SECURITY_DIR": str(self.base / "security"),
            "BORG_KEYS_DIR": str(self.base / "keys"),
            # No two running containers may share it: borg breaks a lock whose host is its own and
            # whose process id is not alive in its own PID namespace (facts, section 0.6).
            "BORG_HOST_ID": self.host_id,
            "BORG_HOSTNAME": self.client,
            # Or borg asks for the name of user 0, which a client's passwd need not have.
            "BORG_USERNAME": "root",
            "BORG_EXIT_CODES": "modern",
            "BORG_DISPLAY_PASSPHRASE": "no",
            "PYTHONUNBUFFERED": "1",
            "TZ": "UTC",
            **self.extra_env,
        }
        if fd is not None:
            env["BORG_PASSPHRASE_FD"] = str(fd)
        return env

    def argv(self, command: str, *args: str) -> list[str]:
        """A borg command line whose log is JSON lines."""
        common = ["--log-json", "--lock-wait", str(self.lock_wait)]
        return [*self.prefix, "borg", *common, command, *args]

    def run(
        self,
        command: str,
        *args: str,
        stdin: bytes = b"",
        timeout: float = TIMEOUT,
        sink: Sink | None = None,
    ) -> Completed:
        """Run to the end; raises the error of `messages.from_exit` for exit codes that are errors.

        borg's codes 1 and 100 to 127 are warnings: the caller sees them in `returncode`. `sink`
        gets standard output instead: in pieces as they come, or at once.
        """
        try:
            done = self._by_a_spare(command, args, timeout, sink)
            if done is None:
                done = self._by_a_new_one(command, args, stdin, timeout)
                if sink is not None:
                    sink(done.stdout)
        except CommandError as error:
            raise BorgFailed(str(error)) from None
        if is_failure(done.returncode):
            raise messages.from_exit(done.returncode, plain_log(done.stderr), self.client)
        return done

    @contextlib.contextmanager
    def running(
        self, command: str, *args: str, stdout: int | IO[bytes] = subprocess.PIPE
    ) -> Iterator[Running]:
        """A borg command under way, stopped on the way out. Raises CommandError."""
        argv = self.argv(command, *args)
        with as_fd(self.passphrase) as fd:
            fds, env = () if fd is None else (fd,), self.env(fd)
            name = f"borg {command}"
            with running(argv, name=name, env=env, pass_fds=fds, stdout=stdout) as child:
                yield child

    def _by_a_new_one(
        self, command: str, args: Sequence[str], stdin: bytes, timeout: float
    ) -> Completed:
        quick = NO_SELFTEST if command in QUICK else {}
        with as_fd(self.passphrase) as fd:
            return run(
                self.argv(command, *args),
                timeout=timeout,
                stdin=stdin,
                env={**self.env(fd), **quick},
                pass_fds=() if fd is None else (fd,),
                check=False,
            )

    def _by_a_spare(
        self, command: str, args: Sequence[str], timeout: float, sink: Sink | None
    ) -> Completed | None:
        # Those of another prefix stand in no jail.
        if self.spares is None or self.prefix != self.spares.prefix or command not in QUICK:
            return None
        return self.spares.run(self.argv(command, *args)[len(self.prefix) :], timeout, sink)

    def start_spares(self, number: int) -> None:
        """Have borgs ready for QUICK commands to come; of use where there is time meanwhile."""
        if self.spares is not None:
            self.spares.start(number, {**self.env(None), **NO_SELFTEST}, self.passphrase)

    def json(self, command: str, *args: str) -> dict[str, Any]:
        """Run with --json. Raises as `run`, and BorgFailed where the answer is no JSON object."""
        done = self.run(command, "--json", *args)
        try:
            data = json.loads(done.stdout)
        except ValueError:
            raise BorgFailed(f"borg {command} answered no JSON") from None
        return dict(data)


def is_failure(returncode: int) -> bool:
    """True for errors and signals, False for success and warnings (1, 100 to 127)."""
    return returncode not in (0, 1) and not 100 <= returncode <= 127


def plain_log(text: str) -> str:
    """borg's JSON log lines as plain text, other lines as they are."""
    return "\n".join(_plain(line) for line in text.splitlines())


def _plain(line: str) -> str:
    message = messages.parse(line.encode())
    return line if message is None else str(message.get("message", ""))


def exclude_args(patterns: Sequence[str]) -> list[str]:
    return [word for pattern in patterns for word in ("--exclude", pattern)]
