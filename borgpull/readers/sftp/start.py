"""The SFTP reader of `stream`: how it is started here, and what it says of the client.

It stands in the place of the helper (`client/helper.py`), which needs a shell and a Python there.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from typing import IO, get_args

from borgpull.borg.inside import wire
from borgpull.client import walk as walks
from borgpull.client.facts import Facts
from borgpull.client.hello import read, there
from borgpull.client.helper import END_SECONDS, MARK, Helper, answer_of
from borgpull.client.mounts import FALLBACK
from borgpull.errors import BorgpullError, ConnectionLost, HostileClient, NoSftp, NotVerified
from borgpull.jail.compare import Finding
from borgpull.jail.wanted import Plan
from borgpull.outputs.backups import Uncarried
from borgpull.process import CommandError, Running, pipe, run, running
from borgpull.readers.child import NOT_THERE
from borgpull.readers.starting import failed, question
from borgpull.ssh import words
from borgpull.ssh.session import Session

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
COMPARES: bool = False
LOOK_SECONDS = 900.0


class SftpHelper(Helper):
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
        super().__init__(child, session, requests)
        self.names, self._walk = names, walk

    def lost(self) -> BorgpullError | None:
        self._walk.close()
        return failed(self._child, self._session)

    def check(self, plan: Plan) -> tuple[list[Finding], Finding]:
        """Compare the listings with the client's own walk: what was found, and how sure that is.

        Raises ConnectionLost, NotVerified, HostileClient.
        """
        script = walks.script(plan.starts, [*plan.left_out, *plan.allowed])
        shell, found = self._session.command("sh", "-s"), list[Finding]()
        with (
            input_of(script) as file,
            running(shell, name="the client's find", stdin=file, stdout=self._walk, grace=1),
        ):
            self._walk.close()
            for item in self._child.lines():
                if not self._session.alive():
                    break
                if item is not None and item[1].startswith(b"{"):
                    found.append(json.loads(item[1]))
            self.require_ended_well()
        if not found or "skew" not in found[-1]:
            raise NotVerified("the listings could not be compared with the client's own walk")
        return found[:-1], found[-1]


@contextlib.contextmanager
def started(
    session: Session,
    paths: Sequence[str],
    answers: IO[bytes],
    requests: IO[bytes],
    theirs: tuple[IO[bytes], IO[bytes]],
    *,
    sudo: bool,
) -> Iterator[tuple[SftpHelper, Facts, tuple[str, ...]]]:
    """As `helper.started`. Raises NoSftp, HostileClient, ConnectionLost."""
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
            stdin=theirs[0],
            stdout=theirs[1],
            pass_fds=(from_ssh.fileno(), to_ssh.fileno(), from_walk.fileno()),
            grace=5,
        ) as child,
    ):
        for end in (*theirs, theirs_in, to_ssh, from_ssh, theirs_out, from_walk):
            end.close()
        asked = time.time()
        with contextlib.suppress(BrokenPipeError):  # it has ended, and its code says why
            requests.write(question([*paths, *FALLBACK]))
        _, answer = answer_of(answers.fileno())
        if answer is None:
            raise _no_reader(session, child, ssh)
        facts, hollow = read(answer, len(paths), asked)
        names = bool(json.loads(answer).get("names"))
        yield SftpHelper(child, session, requests, walk, names=names), facts, hollow


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
