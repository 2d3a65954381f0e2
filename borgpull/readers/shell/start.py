"""The readers of `stream` that need a shell: how they are started here."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator, Sequence
from typing import IO, Literal

from borgpull.client import shell
from borgpull.client.ends import Ends, answer_of, send
from borgpull.client.facts import Facts
from borgpull.client.hello import there
from borgpull.client.helper import END_SECONDS, Helper
from borgpull.client.sudo import as_root, no_answer
from borgpull.errors import (
    BorgpullError,
    ClientUnsuitable,
    ConnectionLost,
    HostileClient,
)
from borgpull.jail.findings import Finding
from borgpull.jail.wanted import Plan
from borgpull.process import CommandError, Completed, Running, pipe, running
from borgpull.readers.child import NO_TOOLS, NOT_THERE
from borgpull.readers.shell.link import GREETING
from borgpull.readers.starting import ChildHelper, failed, introduced, question
from borgpull.ssh.session import Session
from borgpull.trees.manifest import Carried

PROGRAM = (sys.executable, "-P", "-m", "borgpull.readers.shell")
TOOLS: dict[Literal["find", "busybox"], str] = {
    "find": "a shell with GNU's find, stat, head, readlink, and /proc",
    "busybox": "a shell with find, stat, head, readlink, tr, wc, and /proc",
}


def fitting(session: Session, *, sudo: bool) -> Literal["find", "busybox"] | None:
    """The better of the readers for which the client has what it takes. Raises ConnectionLost."""
    for kind in TOOLS:
        text = shell.line(shell.script("shell_read.sh"), kind)
        said = session.run(*as_root(sudo), *shell.WORDS, stdin=text).stdout
        _, greeting, rest = said.partition(GREETING)
        if rest.startswith(b"yes\n"):
            return kind
        if not greeting:  # there is no shell
            return None
    return None


class ShellHelper(ChildHelper):
    """A reader under way; it has answered the question."""

    def check(self, _plan: Plan) -> tuple[list[Finding], Finding]:
        """What find could not list. Raises as `lost`; NotVerified."""
        return self.findings("the client's find did not come to its end")


class ShellReader:
    """A reader by a name of TOOLS; all is as in `base.Reader`."""

    CREATE_ARGS: tuple[str, ...] = ("--noflags", "--noacls", "--noxattrs")
    SEES_ALL: bool = False
    COMPARES: bool = False
    OUTLASTS: bool = False
    LOSES: tuple[str, ...] = ("xattrs_and_acls",)
    CARRIES: tuple[Carried, ...] = ("links", "ns", "devices", "ctimes")

    def __init__(self, kind: Literal["find", "busybox"]) -> None:
        self._kind = kind

    @contextlib.contextmanager
    def started(
        self,
        session: Session,
        paths: Sequence[str],
        ends: Ends,
        *,
        sudo: bool,
        plan: object = None,
    ) -> Iterator[tuple[Helper, Facts, tuple[str, ...]]]:
        """As `helper.started`. It begins by no plan: it waits for our word."""
        with self._child(session, ends.theirs, sudo=sudo) as (child, ssh):
            said = introduced(ends, paths)
            if said is None:
                raise self._no_reader(session, child, ssh, sudo=sudo)
            facts, hollow, names = said
            yield ShellHelper(child, session, ends.requests, names=names), facts, hollow

    @contextlib.contextmanager
    def _child(
        self, session: Session, theirs: tuple[IO[bytes], IO[bytes]], *, sudo: bool
    ) -> Iterator[tuple[Running, Running]]:
        """The reader, and the shell that answers it."""
        argv = session.command(*as_root(sudo), *shell.WORDS)
        with (
            pipe() as (in_read, to_read),
            pipe() as (from_read, out_read),
            pipe() as (in_list, to_list),
            pipe() as (from_list, out_list),
            running(argv, name="shell", stdin=in_read, stdout=out_read, grace=5) as ssh,
            running(argv, name="find", stdin=in_list, stdout=out_list, grace=5),
        ):
            ends = (from_read, to_read, from_list, to_list)
            to_read.write(shell.line(shell.script("shell_read.sh"), self._kind))
            to_read.flush()
            fds = tuple(end.fileno() for end in ends)
            with running(
                [*PROGRAM, self._kind, *map(str, fds)],
                name="reader",
                stdin=theirs[0],
                stdout=theirs[1],
                pass_fds=fds,
                grace=5,
            ) as child:
                for end in (*theirs, *ends, in_read, out_read, in_list, out_list):
                    end.close()
                yield child, ssh

    def _no_reader(
        self, session: Session, child: Running, ssh: Running, *, sudo: bool
    ) -> BorgpullError:
        target = session.config.target
        with contextlib.suppress(CommandError):
            code = child.wait(END_SECONDS)
            if code == NO_TOOLS:
                return ClientUnsuitable(
                    f"{target} does not have what the reader {self._kind} needs",
                    hint=f"it needs {TOOLS[self._kind]}",
                )
            if code == NOT_THERE and session.alive():
                done = Completed(ssh.wait(END_SECONDS), b"", ssh.stderr())
                return no_answer(session, done, sudo=sudo, instead="use --reader sftp")
        return failed(child, session) or HostileClient("the reader has ended without a word")

    def look(self, session: Session, paths: Sequence[str], *, sudo: bool) -> list[bool]:
        """Are the paths (absolute) on the client, or may they be? Raises ConnectionLost."""
        with (
            pipe() as (in_child, to_child),
            pipe() as (from_child, out_child),
            self._child(session, (in_child, out_child), sudo=sudo),
        ):
            send(to_child, question(paths))
            _, answer = answer_of(from_child.fileno())
        if not session.alive():
            raise ConnectionLost(f"the connection to {session.config.target} broke during the run")
        return there(answer or b"", len(paths))
