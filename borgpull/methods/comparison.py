"""The sshfs method's verification: is every file in the archive as long as it is on the client?"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import IO, Any

from borgpull.borg.command import Borg
from borgpull.borg.create import Created
from borgpull.errors import ConnectionLost, VerificationFailed
from borgpull.methods.base import Verdict
from borgpull.process import Running, running
from borgpull.sidecar import sshfs
from borgpull.sidecar.compare import FORMAT
from borgpull.sidecar.jail import Jail
from borgpull.ssh.config import SshConfig

COMPARE = ("/usr/bin/python3", "-P", "-m", "borgpull.sidecar.compare")
# How far the client's clock may be from ours when a file's last change is compared with our start.
CLOCK_SECONDS = 2
# More suspects than this do not go on a command line: the whole archive is listed again.
MANY = 500

Entry = dict[str, Any]


@dataclass(frozen=True)
class Verifier:
    """Compares a new archive with the client's tree, by size."""

    borg: Borg
    jail: Jail
    config: SshConfig
    started: float  # Unix time, our clock

    def __call__(self, done: Created) -> Verdict:
        """What was cut short, what changed meanwhile. Raises ConnectionLost, VerificationFailed.

        The tree is mounted afresh each time: the kernel takes a file's early end for its new size,
        and sshfs answers from its cache for 20 s. A size that differs is looked at again by
        reading the file to its end.
        """
        first, counts = self._compare(done.name, None)
        suspects = [entry["path"] for entry in first]
        second = self._compare(done.name, suspects)[0] if suspects else []
        cut = tuple(entry["path"] for entry in second if is_cut(entry, self.started))
        changed = tuple(path for path in suspects if path not in cut)
        return Verdict(cut=cut, changed=changed, counts=counts["counts"], size=counts["bytes"])

    def _compare(self, archive: str, only: Sequence[str] | None) -> tuple[list[Entry], Entry]:
        """`borg list | compare`; with `only`, those paths, read to their end."""
        folder = self.jail.spec.second_tree
        with sshfs.mounted(self.jail, self.config, folder) as process, _pipe() as (source, sink):
            found, error = self._pipeline(archive, only, process, source, sink)
        if error or not found or "counts" not in found[-1]:
            raise VerificationFailed(f"the archive could not be compared with the client: {error}")
        return found[:-1], found[-1]

    def _pipeline(
        self,
        archive: str,
        only: Sequence[str] | None,
        process: Running,
        source: IO[bytes],
        sink: IO[bytes],
    ) -> tuple[list[Entry], str]:
        patterns = only_patterns(only) if only is not None and len(only) < MANY else []
        words = ["--format", FORMAT, *patterns, f"::{archive}"]
        command = [*self.jail.prefix(self.jail.spec.second_tree), *COMPARE]
        command += [] if only is None else ["--read"]
        with (
            self.borg.running("list", *words, stdout=sink) as listing,
            running(command, name="compare", stdin=source) as comparing,
        ):
            sink.close()
            source.close()
            found = []
            for item in comparing.lines():
                if not process.alive():
                    raise ConnectionLost(f"the connection to {self.config.target} broke")
                if item is not None and item[0] == "stdout":
                    found.append(json.loads(item[1]))
            codes = comparing.wait(10), listing.wait(10)
            return found, "" if codes == (0, 0) else comparing.stderr() or listing.stderr()


def is_cut(entry: Entry, started: float) -> bool:
    """Was this file cut short on its way, rather than changed on the client meanwhile?

    Cut: it cannot be read to its end, or it is longer than in the archive with the mtime of the
    archive, unless that mtime is of the run itself (SFTP's mtimes have a second's resolution).
    """
    if entry["now"] is None:
        return False  # deleted since
    if entry.get("unreadable"):
        return True
    archived = datetime.fromisoformat(entry["mtime"]).replace(tzinfo=UTC)  # TZ is UTC for borg
    untouched = int(archived.timestamp()) == entry["now_mtime"] < started - CLOCK_SECONDS
    return bool(entry["archived"] < entry["now"] and untouched)


def only_patterns(paths: Sequence[str]) -> list[str]:
    """borg's options that list nothing but these paths."""
    return [*(f"--pattern=+pf:{path}" for path in paths), "--pattern=-re:."]


@contextlib.contextmanager
def _pipe() -> Iterator[tuple[IO[bytes], IO[bytes]]]:
    read_end, write_end = os.pipe()
    with os.fdopen(read_end, "rb") as source, os.fdopen(write_end, "wb") as sink:
        yield source, sink
