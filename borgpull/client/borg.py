"""borg on the client: which one, its words, and how it is started there."""

from __future__ import annotations

import contextlib
import re
import shlex
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import IO

from borgpull.borg.command import QUICK, Borg
from borgpull.client.authorized import url
from borgpull.client.place import Place
from borgpull.client.serve import Serving, ended
from borgpull.client.setup import Facts
from borgpull.errors import ClientUnsuitable
from borgpull.process import Running, pipe, running

# Before a command, it sees its input only from after the client's line `borgpull-begin` on: what
# comes first is printed by the profile of the login shell. sh reads byte by byte.
_BEGIN = 'while IFS= read -r line; do [ "$line" != borgpull-begin ] || exec "$@"; done'
AFTER_GREETING = ("sh", "-c", _BEGIN, "sh")
# The first that ends as BORG_EXIT_CODES=modern says even where the error is the server's
# (borgbackup/borg#8631). An older one is used only if it is named.
OWN_BORG = (1, 4, 1)
# The oldest that can be named: BORG_PASSPHRASE_FD, `create --json`, `--files-cache`.
OLDEST = (1, 1, 0)
# The first that authenticates an archive anew when it renames it (borgbackup/borg#7791): what older
# ones have renamed, no borg of today can read.
RENAMES = (1, 2, 5)


@dataclass(frozen=True)
class ClientBorg:
    """borg on a client, for one repository of the server."""

    place: Place
    program: str  # on the client
    server: Borg
    before: tuple[str, ...] = ()  # words before the program: a command that starts it

    def renames(self) -> bool:
        """Is a renaming by this borg any good? Else ours has to: it learns the archive first."""
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
            # It has no use for the files cache, and need not copy it before it writes its own.
            env["BORG_FILES_CACHE_SUFFIX"] = "none"
        assigned = [f"{name}={value}" for name, value in env.items()]
        program = [*self.before, self.program]
        common = ["--log-json", "--lock-wait", str(self.server.lock_wait)]
        return quoted([way, rsh, "env", *assigned, *program, *common, command, *args])

    def header(self, words: str) -> bytes:
        return f"{passphrase(self.server)}\n{words}\n".encode(errors="surrogateescape")

    @contextlib.contextmanager
    def through(self, rsh: str, command: str, *args: str) -> Iterator[Running]:
        """borg under way, which reaches `borg serve` by `rsh`; it ends when we do."""
        words = self.words("apart", rsh, command, *args)
        with told(self.place.command("run"), self.header(words)) as (child, _lifeline):
            yield child

    @contextlib.contextmanager
    def joined(self, serve: Serving, command: str, *args: str) -> Iterator[Running]:
        """borg under way, which has a `borg serve` at its own standard input and output."""
        words = self.words("channel", f"sh {self.place.folder}/rsh", command, *args)
        with joined(serve, self.place.command("run"), self.header(words)) as child:
            yield child


@contextlib.contextmanager
def joined(serve: Serving, argv: Sequence[str], header: bytes) -> Iterator[Running]:
    """A command on the client and a `borg serve` here, each the other's input and output."""
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
    """A command on the client that was sent its first lines; it, and its standard input."""
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


def quoted(words: Sequence[str]) -> str:
    """Words for `eval "set -- …"` in one line: `$nl` stands for a newline."""
    return " ".join(shlex.quote(word).replace("\n", "'\"$nl\"'") for word in words)


def choose(place: Place, named: str | None) -> str:
    """The borg to use on the client; the runtime is sent where it has none that is suitable.

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
    """Raises ClientUnsuitable where the client's own borg does not fit our repositories."""
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

    Older ones bind no agent to a destination, nor take a host key from a command (OpenSSH 8.9).
    Raises ClientUnsuitable.
    """
    match = re.match(r"OpenSSH_(\d+)\.(\d+)", place.facts.ssh)
    if match and (int(match[1]), int(match[2])) >= (8, 9):
        return "ssh"
    place.stream_runtime()
    return f"{place.folder}/runtime/ssh"
