"""What the children have in common that are readers: their question, and how they end."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence

from borgpull.client.helper import END_SECONDS
from borgpull.errors import BorgpullError, ConnectionLost, HostileClient, NotVerified
from borgpull.process import CommandError, Running
from borgpull.readers.child import HOSTILE, NO_WALK
from borgpull.ssh import words
from borgpull.ssh.session import Session


def question(paths: Sequence[str]) -> bytes:
    return json.dumps({"paths": [os.fsencode(path).hex() for path in paths]}).encode() + b"\n"


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
