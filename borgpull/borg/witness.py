"""The child that makes the manifest of an archive beside a backup (`inside/witness.py`)."""

from __future__ import annotations

import contextlib
import json
import os
import sys
import time
from collections.abc import Iterator, Sequence
from typing import IO, Any

from borgpull.borg import streaming
from borgpull.borg.command import NO_SELFTEST, Borg, location
from borgpull.borg.inside import looking
from borgpull.borg.inside.witness import HOSTILE
from borgpull.errors import BorgFailed, BorgpullError, HostileClient
from borgpull.process import Running
from borgpull.ssh import words

PROGRAM = (sys.executable, "-P", "-m", "borgpull.borg.inside.witness")
ANSWER_SECONDS = 4 * 3600.0


class Witness:
    """One that waits for its orders."""

    def __init__(self, child: Running, borg: Borg, answers: IO[bytes], requests: IO[bytes]) -> None:
        """`answers` and `requests` are our ends of the pipes that the child has, too."""
        self._child, self._borg, self._lines = child, borg, child.lines()
        self.answers, self.requests = answers, requests
        # Entries that the archive has otherwise; files with another content than was known, though
        # nothing else of them has changed; sums that an earlier manifest had.
        self.differs, self.rotten, self.carried = 0, list[str](), 0

    def order(self, orders: dict[str, Any]) -> None:
        """Let it begin. From here on, only the child has the pipes to the client."""
        self.answers.close()
        self.requests.close()
        self._tell(orders)

    def listed(self) -> int:
        """Wait until all is listed: how many entries. Raises HostileClient, BorgFailed."""
        return int(self._answer()["listed"])

    def missing(self, archive: str, archive_id: str, changed: Sequence[str]) -> list[str]:
        """Compare the archive with the listing: which paths it lacks, though they were there.

        `changed` are paths that borg saw change. Raises BorgFailed.
        """
        argv = self._borg.words("list", looking.BYPASS, location(archive))
        self._tell({"argv": argv, "id": archive_id, "changed": list(changed)})
        found = self._answer()
        self.differs = int(found["differs"])
        self.rotten = _paths(found["rotten"])
        return _paths(found["missing"])

    def keep(self, there: Sequence[str]) -> None:
        """Keep the manifest. `there` are the missing paths that the client still has.

        Raises BorgFailed.
        """
        self._tell({"there": [os.fsencode(path).hex() for path in there]})
        self.carried = int(self._answer()["carried"])

    def _tell(self, message: dict[str, Any]) -> None:
        assert self._child.popen.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # it has ended, and its code says why
            self._child.popen.stdin.write(json.dumps(message).encode() + b"\n")
            self._child.popen.stdin.flush()

    def _answer(self) -> dict[str, Any]:
        deadline, rest = time.monotonic() + ANSWER_SECONDS, b""
        for item in self._lines:
            if item is None and time.monotonic() > deadline:
                break
            if item is not None and item[0] == "stdout":
                rest += item[1]  # a long line comes in pieces
                if rest.endswith(b"\n"):
                    return dict(json.loads(rest))
        raise self._why()

    def _why(self) -> BorgpullError:
        code, said = self._child.popen.poll(), words.last(self._child.stderr())
        if code == HOSTILE:
            return HostileClient(f"{self._borg.client} sends what no reader of ours sends: {said}")
        return BorgFailed(f"the listing of {self._borg.client} ended early: {said or code}")


def _paths(words: Sequence[str]) -> list[str]:
    return [os.fsdecode(bytes.fromhex(word)) for word in words]


@contextlib.contextmanager
def started(borg: Borg) -> Iterator[tuple[Witness, IO[bytes], IO[bytes]]]:
    """A witness, and the client's ends of its pipes, as `streaming.started`."""
    with streaming.child(borg, PROGRAM, "witness", NO_SELFTEST) as (child, ours, theirs):
        yield Witness(child, borg, *ours), *theirs
