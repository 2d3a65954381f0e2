"""How stock borg is called for one client: repository, environment, prefix."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import IO, Any, NamedTuple

from borgpull.borg import loading, messages
from borgpull.borg.inside import looking
from borgpull.borg.spares import WAITING, Sink, Spares
from borgpull.errors import BorgFailed
from borgpull.process import CommandError, Completed, Running, run, running
from borgpull.secrets import Secret, as_fd

# Seconds for a borg command that only reads. The first one after a lost cache rebuilds the cache.
TIMEOUT = 24 * 3600.0
# These commands write and chunk no data. borg's self-test only checks that, and takes a third of a
# listing's time. What is extracted is authenticated, piece by piece.
QUICK = {"list", "rename", "extract"}
NO_SELFTEST = {"BORG_SELFTEST": "disabled"}
# Runs a borg command line that takes no lock: then borg must not write (`inside/looking.py`).
LOOKING = (sys.executable, "-P", "-m", looking.__name__)


class Borg(NamedTuple):
    """borg for one client. `prefix` is put before every command line (the jail's entrance)."""

    client: str
    repository: Path
    base: Path  # cache, configuration, keys and security folder: what must last
    passphrase: Secret | None
    host_id: str
    lock_wait: int = 60
    prefix: tuple[str, ...] = ()
    # One of `inside/` that runs borg's words in place of borg itself.
    program: tuple[str, ...] = ()
    extra_env: Mapping[str, str] = MappingProxyType({})
    spares: Spares | None = None
    # The folder of cache and security for a borg that only reads, instead of those below `base`.
    own: Path | None = None

    def env(self, fd: int | None) -> dict[str, str]:
        mutable = self.own or self.base
        env = {
            "BORG_REPO": str(self.repository),
            "BORG_BASE_DIR": str(self.base),
            "BORG_CACHE_DIR": str(mutable / "cache"),
            "BORG_CONFIG_DIR": str(self.base / "config"),
            "BORG_SECURITY_DIR": str(mutable / "security"),
            "BORG_KEYS_DIR": str(self.base / "keys"),
            # No two running containers may share an id. borg breaks a lock that has its own id, if
            # the lock's process is not alive in its own PID namespace (facts, section 0.6).
            "BORG_HOST_ID": self.host_id,
            "BORG_HOSTNAME": self.client,
            # Without it, borg asks for the name of user 0, which a client's passwd may lack.
            "BORG_USERNAME": "root",
            "BORG_DISPLAY_PASSPHRASE": "no",
            **loading.ENV,
            **self.extra_env,
        }
        if fd is not None:
            env[loading.PASSPHRASE_FD] = str(fd)
        return env

    def argv(self, command: str, *args: str) -> list[str]:
        """The command line of a process. A borg that takes no lock is one that cannot write."""
        words = self.words(command, *args)
        instead = self.program or (LOOKING if looking.is_for(words) else ())
        return [*self.prefix, *instead, *words]

    def words(self, command: str, *args: str) -> list[str]:
        """A borg command line whose log is JSON lines."""
        common = ["--log-json", "--lock-wait", str(self.lock_wait)]
        return ["borg", *common, command, *args]

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
        gets the standard output, in pieces as they come, or at once.
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
        self,
        command: str,
        *args: str,
        stdin: int | IO[bytes] = subprocess.DEVNULL,
        stdout: int | IO[bytes] = subprocess.PIPE,
    ) -> Iterator[Running]:
        """A running borg command, which is stopped on the way out. Raises CommandError."""
        if stdin == subprocess.DEVNULL and stdout == subprocess.PIPE and self._has_spares(command):
            assert self.spares is not None
            spare = self.spares.begin(self.words(command, *args))
            if spare is not None:
                try:
                    yield spare
                finally:
                    spare.stop()
                return
        argv = self.argv(command, *args)
        quick = NO_SELFTEST if command in QUICK else {}
        with as_fd(self.passphrase) as fd:
            fds, env = () if fd is None else (fd,), {**self.env(fd), **quick}
            name = f"borg {command}"
            with running(
                argv, name=name, env=env, pass_fds=fds, stdin=stdin, stdout=stdout
            ) as child:
                yield child

    def json_lines(self, command: str, *args: str) -> Iterator[dict[str, Any]]:
        """The objects that a command prints with --json-lines, one by one: there may be millions.

        Raises as `run`, and BorgFailed for a line that is no JSON object.
        """
        rest = b""
        with self.running(command, "--json-lines", *args) as child:
            for item in child.lines():
                if item is None or item[0] == "stderr":
                    continue
                rest += item[1]  # a long line comes in pieces
                if rest.endswith(b"\n"):
                    yield _object(rest, command)
                    rest = b""
            code = child.wait(60)
            if is_failure(code):
                raise messages.from_exit(code, plain_log(child.stderr()), self.client)

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
        if self.spares is None or not self._has_spares(command):
            return None
        return self.spares.run(self.words(command, *args), timeout, sink)

    def _has_spares(self, command: str) -> bool:
        """A spare has the prefix and the program of its own start, so it can serve no others."""
        if self.spares is None or command not in QUICK:
            return False
        own = (self.prefix, self.program or WAITING)
        return own == (self.spares.prefix, self.spares.program)

    def start_spares(self, number: int) -> None:
        """Start borgs ahead for QUICK commands to come, while there is time for it."""
        if self.spares is not None:
            self.spares.start(number, {**self.env(None), **NO_SELFTEST}, self.passphrase)

    def json(self, command: str, *args: str) -> dict[str, Any]:
        """Run with --json. Raises as `run`, and BorgFailed if the answer is no JSON object."""
        return _object(self.run(command, "--json", *args).stdout, command)


def _object(text: bytes, command: str) -> dict[str, Any]:
    """Raises BorgFailed."""
    try:
        return dict(json.loads(text))
    except (ValueError, TypeError, RecursionError):
        raise BorgFailed(f"borg {command} answered no JSON") from None


def literal(name: str) -> str:
    """An archive's name with its braces doubled: borg takes single ones for placeholders (borg
    1.4.5, helpers/parseformat.py, replace_placeholders)."""
    return name.replace("{", "{{").replace("}", "}}")


def location(name: str) -> str:
    """`::NAME`, for an archive with exactly this name."""
    return f"::{literal(name)}"


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


def timestamp() -> str:
    """The server's time, in UTC without an offset, as every borg reads it (borg 1.1 to 1.4,
    helpers, timestamp). The client's clock must not decide which archive is the newest.
    """
    return f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S}"
