"""What the children have in common that are readers: their question, and how they end."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Sequence
from typing import IO

from borgpull.client.ends import Ends
from borgpull.client.facts import Facts
from borgpull.client.hello import read
from borgpull.client.helper import END_SECONDS, Helper
from borgpull.client.mounts import FALLBACK
from borgpull.errors import BorgpullError, ConnectionLost, HostileClient, NotVerified
from borgpull.jail.findings import Finding
from borgpull.process import CommandError, Running
from borgpull.readers.child import HOSTILE, NO_WALK
from borgpull.ssh import words
from borgpull.ssh.session import Session


def question(paths: Sequence[str]) -> bytes:
    return json.dumps({"paths": [os.fsencode(path).hex() for path in paths]}).encode() + b"\n"


def introduced(ends: Ends, paths: Sequence[str]) -> tuple[Facts, tuple[str, ...], bool] | None:
    """What the child says of the client, which of FALLBACK are hollow, and if it has users' names.

    None if it has ended. Raises HostileClient, ConnectionLost.
    """
    asked = time.time()
    _, answer = ends.ask(question([*paths, *FALLBACK]))
    if answer is None:
        return None
    facts, hollow = read(answer, len(paths), asked)
    return facts, hollow, bool(json.loads(answer).get("names"))


class ChildHelper(Helper):
    """A reader under way; it has answered the question."""

    def __init__(
        self, child: Running, session: Session, requests: IO[bytes], *, names: bool
    ) -> None:
        """`names`: can it tell the names of users?"""
        super().__init__(child, session, requests)
        self.names = names

    def lost(self) -> BorgpullError | None:
        return failed(self._child, self._session)

    def findings(self, unfinished: str) -> tuple[list[Finding], Finding]:
        """What it says at its end, and how sure that is. Raises as `lost`; NotVerified."""
        found = list[Finding]()
        for item in self._child.lines():
            if not self._session.alive():
                break
            if item is not None and item[1].startswith(b"{"):
                found.append(json.loads(item[1]))
        self.require_ended_well()
        if not found or "skew" not in found[-1]:
            raise NotVerified(unfinished)
        return found[:-1], found[-1]


def failed(child: Running, session: Session) -> BorgpullError | None:
    """The error of a reader that did not end well."""
    target = session.config.target
    try:
        code = child.wait(END_SECONDS)
    except CommandError:
        return ConnectionLost(f"the reader of {target} does not end")
    said = words.last(child.stderr())
    if code == 0:
        return None
    if code == NO_WALK:
        return NotVerified(f"the archive could not be compared with the client: {said}")
    if code == HOSTILE:
        return HostileClient(f"{target} sends what no reader's other side sends: {said}")
    if not session.alive():
        return ConnectionLost(f"the connection to {target} broke during the run")
    return ConnectionLost(f"the reader of {target} ended with {code}: {said}")
