"""The SFTP reader of `stream`: how it is started here, and what it says of the client.

It stands in the place of the helper (`client/helper.py`), which needs a shell and a Python there.
"""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from typing import IO, get_args

from borgpull.borg.inside import wire
from borgpull.client import walk as walks
from borgpull.client.ends import MARK, Ends
from borgpull.client.facts import Facts
from borgpull.client.hello import there
from borgpull.client.helper import END_SECONDS
from borgpull.errors import BorgpullError, ConnectionLost, HostileClient, NoSftp
from borgpull.jail.findings import Finding
from borgpull.jail.wanted import Plan
from borgpull.outputs.backups import Uncarried
from borgpull.process import CommandError, Running, pipe, run, running
from borgpull.readers.child import NOT_THERE
from borgpull.readers.starting import ChildHelper, failed, introduced, question
from borgpull.ssh import words
from borgpull.ssh.session import Session
from borgpull.trees.manifest import Carried

PROGRAM = (sys.executable, "-P", "-m", "borgpull.readers.sftp")
# SFTP tells neither a ctime nor an inode. Its mtime, whole seconds, stands for both. There are no
# attributes, ACLs or flags.
CREATE_ARGS: tuple[str, ...] = (
    "--noflags",
    "--noacls",
    "--noxattrs",
    "--noctime",
    "--files-cache",
    "mtime,size",
)
SEES_ALL: bool = False
LOSES: tuple[str, ...] = get_args(Uncarried)
CARRIES: tuple[Carried, ...] = ()
COMPARES: bool = False
OUTLASTS: bool = False
LOOK_SECONDS = 900.0


class SftpHelper(ChildHelper):
    """A reader under way; it has answered the question."""

    def __init__(
        self,
        child: Running,
        session: Session,
        requests: IO[bytes],
        walk: IO[bytes],
        *,
        names: bool,
    ) -> None:
        """`walk` is where the client's own walk goes. `names`: has the client an /etc/passwd?"""
        super().__init__(child, session, requests, names=names)
        self._walk = walk

    def lost(self) -> BorgpullError | None:
        self._walk.close()
        return super().lost()

    def check(self, plan: Plan) -> tuple[list[Finding], Finding]:
        """Compare the listings with the client's own walk: what was found, and how sure that is.

        Raises ConnectionLost, NotVerified, HostileClient.
        """
        script = walks.script(plan.starts, [*plan.left_out, *plan.allowed])
        shell = self._session.command("sh", "-s")
        with (
            input_of(script) as file,
            running(shell, name="the client's find", stdin=file, stdout=self._walk, grace=1),
        ):
            self._walk.close()
            return self.findings("the listings could not be compared with the client's own walk")


@contextlib.contextmanager
def started(
    session: Session,
    paths: Sequence[str],
    ends: Ends,
    *,
    sudo: bool,
    plan: object = None,
) -> Iterator[tuple[SftpHelper, Facts, tuple[str, ...]]]:
    """As `helper.started`. It begins by no plan: it waits for our word.

    Raises NoSftp, HostileClient, ConnectionLost.
    """
    assert not sudo  # SFTP has no way to become somebody else
    with (
        pipe() as (theirs_in, to_ssh),
        pipe() as (from_ssh, theirs_out),
        pipe() as (from_walk, walk),
        running(
            session.subsystem("sftp"), name="sftp", stdin=theirs_in, stdout=theirs_out, grace=5
        ) as ssh,
        running(
            [*PROGRAM, *(str(end.fileno()) for end in (from_ssh, to_ssh, from_walk))],
            name="reader",
            stdin=ends.theirs[0],
            stdout=ends.theirs[1],
            pass_fds=(from_ssh.fileno(), to_ssh.fileno(), from_walk.fileno()),
            grace=5,
        ) as child,
    ):
        for end in (*ends.theirs, theirs_in, to_ssh, from_ssh, theirs_out, from_walk):
            end.close()
        said = introduced(ends, paths)
        if said is None:
            raise _no_reader(session, child, ssh)
        facts, hollow, names = said
        yield SftpHelper(child, session, ends.requests, walk, names=names), facts, hollow


@contextlib.contextmanager
def input_of(text: bytes) -> Iterator[IO[bytes]]:
    """A file with that content, to be read from its beginning."""
    with tempfile.TemporaryFile() as file:
        file.write(text)
        file.flush()
        os.lseek(file.fileno(), 0, os.SEEK_SET)
        yield file


def _no_reader(session: Session, child: Running, ssh: Running) -> BorgpullError:
    with contextlib.suppress(CommandError):
        if child.wait(END_SECONDS) == NOT_THERE and session.alive():
            target = session.config.target
            spoken = words.said("", ssh.stderr())
            return NoSftp(
                f"{target} lets us log in, but offers no SFTP" + (f": {spoken}" if spoken else ""),
                hint=words.advice(spoken, target),
            )
    return failed(child, session) or HostileClient("the reader has ended without a word")


def look(session: Session, paths: Sequence[str], *, sudo: bool) -> list[bool]:
    """Are the paths (absolute) on the client, or may they be? Raises ConnectionLost."""
    del sudo
    with (
        pipe() as (theirs_in, to_ssh),
        pipe() as (from_ssh, theirs_out),
        running(
            session.subsystem("sftp"), name="sftp", stdin=theirs_in, stdout=theirs_out, grace=5
        ),
    ):
        fds = (from_ssh.fileno(), to_ssh.fileno())
        for end in (theirs_in, theirs_out):
            end.close()
        argv = [*PROGRAM, *map(str, fds)]
        try:
            done = run(argv, timeout=LOOK_SECONDS, stdin=question(paths), pass_fds=fds, check=False)
        except CommandError as error:
            raise ConnectionLost(f"{session.config.target} does not answer: {error}") from None
    if not session.alive():
        raise ConnectionLost(f"the connection to {session.config.target} broke during the run")
    return there(done.stdout.partition(MARK)[2][wire.HEAD.size :], len(paths))
