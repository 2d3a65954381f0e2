"""borg on the client: which one, its words, and how it is started there."""

from __future__ import annotations

import contextlib
import re
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import IO

from borgpull.borg.command import QUICK, Borg
from borgpull.borg.serve import Serving, ended
from borgpull.client.authorized import url
from borgpull.client.facts import Facts
from borgpull.client.folder import Place
from borgpull.client.shell import quoted
from borgpull.errors import ClientUnsuitable
from borgpull.process import Running, pipe, running

# Words before a command. They drop its input up to the client's line `borgpull-begin`: a profile of
# the login shell may print text before. sh reads byte by byte.
_BEGIN = 'while IFS= read -r line; do [ "$line" != borgpull-begin ] || exec "$@"; done'
AFTER_GREETING = ("sh", "-c", _BEGIN, "sh")
# The first borg with modern exit codes (BORG_EXIT_CODES=modern) for errors of the server, too
# (borgbackup/borg#8631). An older one is used only if it is named.
OWN_BORG = (1, 4, 1)
# The oldest borg that can be named. It has BORG_PASSPHRASE_FD, `create --json`, `--files-cache`.
OLDEST = (1, 1, 0)
# The first borg that authenticates an archive anew when it renames it (borgbackup/borg#7791). No
# borg of today can read an archive that an older borg has renamed.
RENAMES = (1, 2, 5)


@dataclass(frozen=True)
class ClientBorg:
    """borg on a client, for one repository of the server."""

    place: Place
    program: str  # on the client
    server: Borg
    before: tuple[str, ...] = ()  # words before the program: a command that starts it

    def renames(self) -> bool:
        """Can this borg rename? Else our borg does, which must first learn of the archive."""
        return self.program != self.place.facts.borg_path or renames(self.place.facts)

    def words(self, way: str, rsh: str, command: str, *args: str) -> str:
        """The line that the script `run` takes: quoted for sh, without a newline in it."""
        env = {
            "BORG_REPO": url(str(self.server.repository)),
            "BORG_HOSTNAME": self.server.client,
        }
        if command in QUICK:
            env["BORG_SELFTEST"] = "disabled"
        if command == "rename":
            # A renaming needs no files cache. Without one, borg need not copy it.
            env["BORG_FILES_CACHE_SUFFIX"] = "none"
        assigned = [f"{name}={value}" for name, value in env.items()]
        program = [*self.before, self.program]
        common = ["--log-json", "--lock-wait", str(self.server.lock_wait)]
        return quoted([way, rsh, "env", *assigned, *program, *common, command, *args])

    def header(self, words: str) -> bytes:
        return f"{passphrase(self.server)}\n{words}\n".encode(errors="surrogateescape")

    @contextlib.contextmanager
    def through(self, rsh: str, command: str, *args: str) -> Iterator[Running]:
        """A running borg that reaches `borg serve` by `rsh`; it ends when this process does."""
        words = self.words("apart", rsh, command, *args)
        with told(self.place.command("run"), self.header(words)) as (child, _lifeline):
            yield child

    @contextlib.contextmanager
    def joined(self, serve: Serving, command: str, *args: str) -> Iterator[Running]:
        """A running borg whose standard input and output are joined to a `borg serve`."""
        words = self.words("channel", f"sh {self.place.folder}/rsh", command, *args)
        with joined(serve, self.place.command("run"), self.header(words)) as child:
            yield child


@contextlib.contextmanager
def joined(serve: Serving, argv: Sequence[str], header: bytes) -> Iterator[Running]:
    """A command on the client and a `borg serve` here; each one's output is the other's input."""
    with pipe() as (requests, replies), told(argv, header, stdout=replies) as (child, sink):
        replies.close()
        with serve.running(stdin=requests, stdout=sink, before=AFTER_GREETING) as serving:
            requests.close()
            sink.close()
            with ended(child, serving):
                yield child


@contextlib.contextmanager
def told(
    argv: Sequence[str], header: bytes, *, stdout: int | IO[bytes] = subprocess.PIPE
) -> Iterator[tuple[Running, IO[bytes]]]:
    """Start a command on the client and send its first lines; yields it and its input."""
    with (
        pipe() as (source, sink),
        running(argv, name="borg on the client", stdin=source, stdout=stdout) as child,
    ):
        source.close()
        with contextlib.suppress(BrokenPipeError):  # ssh has ended, and its code says why
            sink.write(header)
        yield child, sink


def passphrase(server: Borg) -> str:
    return server.passphrase.reveal() if server.passphrase else ""


def choose(place: Place, named: str | None) -> str:
    """The borg to use on the client; the runtime is sent if it has no suitable one.

    Raises ClientUnsuitable.
    """
    facts = place.facts
    if named is not None:
        require_known(facts, named)
        return facts.borg_path
    if facts.borg is not None and OWN_BORG <= facts.borg < (2, 0, 0):
        return facts.borg_path
    place.stream_runtime()
    return f"{place.folder}/runtime/borg"


def require_known(facts: Facts, named: str) -> None:
    """Raises ClientUnsuitable if the client's own borg does not fit our repositories."""
    if facts.borg is None:
        raise ClientUnsuitable(f"{named} on the client is no borg that runs")
    if not OLDEST <= facts.borg < (2, 0, 0):
        version = ".".join(map(str, facts.borg))
        raise ClientUnsuitable(
            f"{named} on the client is borg {version}: 1.1 to 1.4 work with this repository",
            hint="leave --client-borg out, and the sidecar sends its own",
        )


def renames(facts: Facts) -> bool:
    return facts.borg is not None and facts.borg >= RENAMES


def relay(place: Place) -> str:
    """The socat to use on the client: its own, or our runtime's. Raises ClientUnsuitable."""
    if "socat" in place.facts.has:
        return "socat"
    place.stream_runtime()
    return f"{place.folder}/runtime/socat"


def ssh_program(place: Place) -> str:
    """The ssh to use on the client: its own, if new enough, or our runtime's.

    An older ssh cannot bind an agent to a destination, or take a host key from a command (OpenSSH
    8.9).
    Raises ClientUnsuitable.
    """
    match = re.match(r"OpenSSH_(\d{1,4})\.(\d{1,4})", place.facts.ssh)
    if match and (int(match[1]), int(match[2])) >= (8, 9):
        return "ssh"
    place.stream_runtime()
    return f"{place.folder}/runtime/ssh"
