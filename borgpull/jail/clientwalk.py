"""The client's own walk of its tree, by its shell's `find`, as a stream of names.

SFTP does not show an entry that the client cannot stat or name. It also hides that a folder's
listing broke off (OpenSSH's sftp-server.c, process_readdir). Both look like missing entries. `find`
reports both, so its walk tells which names there really are.
"""

from __future__ import annotations

import os
import re
import select
import time
from collections.abc import Callable, Iterator

from borgpull.jail.findings import MAX_TOLD, Finding
from borgpull.jail.wanted import Tree

# The first words of the walk: a login that runs no shell does not print them.
MAGIC = b"borgpull-walk "
HEADER_BYTES = 1 << 16
HEADER_SECONDS = 60.0
CLOCK_DIGITS = 15
# A client that sends nothing for so long during its walk is given up.
IDLE_SECONDS = 900.0
# No path is longer: PATH_MAX is 4,096, and only find's own steps from folder to folder exceed it.
RECORD_BYTES = 1 << 20
# A script sends the last million bytes of find's complaints, without the last newline. If there are
# as many, there were more.
MOST_SAID = 999_999
# Ten times the largest trees that are known. A client can send names without end.
MAX_NAMES = 500_000_000


class WalkBroken(Exception):
    """The client began its walk, but the walk did not end well."""


class ClientWalk:
    """The output of `client.walk.script`, read from a descriptor."""

    def __init__(self, fd: int) -> None:
        self._fd, self._rest = fd, b""
        self.said: list[str] = []
        # Does its find tell that a folder's listing broke off? GNU's does, and busybox's never
        # looks (libbb/recursive_action.c, readdir).
        self.tells_breaks = False

    def header(self) -> float | None:
        """Seconds that the client's clock is ahead of ours; None if the client does not walk."""
        data = b""
        while True:
            _, magic, tail = data.partition(MAGIC)
            if magic and b"\0" in tail:
                break
            block = self._read(HEADER_SECONDS)
            if not block or len(data) > HEADER_BYTES:
                return None
            data += block
        text, _, self._rest = tail.partition(b"\0")
        clock, _, whose = text.partition(b" ")
        self.tells_breaks = whose == b"GNU"
        return int(clock) - time.time() if len(clock) <= CLOCK_DIGITS and clock.isdigit() else 0.0

    def paths(self) -> Iterator[str]:
        """All names, absolute; afterwards `said` is complete. Raises WalkBroken."""
        rest, names = self._rest, 0
        while True:
            *whole, rest = rest.split(b"\0")
            for number, path in enumerate(whole):
                if not path:
                    self._end(b"\0".join([*whole[number + 1 :], rest]))
                    return
                yield os.fsdecode(path)
            names += len(whole)
            if len(rest) > RECORD_BYTES or names > MAX_NAMES:
                raise WalkBroken("the client sends names, or one name, without end")
            rest += self._more()

    def _end(self, text: bytes) -> None:
        while b"\0" not in text:
            if len(text) > RECORD_BYTES:
                raise WalkBroken("the client does not end its list of errors")
            text += self._more()
        said = text.split(b"\0")[0]
        if len(said) >= MOST_SAID:
            raise WalkBroken("find on the client complains of more than it can tell")
        *self.said, last = said.decode(errors="replace").splitlines() or [""]
        if last not in ("code 0", "code 1") or (last == "code 1" and not self.said):
            raise WalkBroken(f"find on the client failed ({last[-200:] or 'no exit code'})")

    def _more(self) -> bytes:
        block = self._read(IDLE_SECONDS)
        if not block:
            raise WalkBroken("the client's walk of its tree broke off")
        return block

    def _read(self, seconds: float) -> bytes:
        """The bytes that have come; none at the end, or after `seconds` without a byte."""
        ready, _, _ = select.select([self._fd], [], [], seconds)
        return os.read(self._fd, 1 << 18) if ready else b""


# GNU's find quotes names that are not plain, busybox's find quotes none.
_COMPLAINT = re.compile(r"find: '?(?P<path>/.*?)'?: (?P<reason>[^:]+)")
_PLAIN = re.compile(r"/[\w./@+=,-]*", re.ASCII)


def complaint(line: str) -> tuple[str | None, bool]:
    """The path in an error line of find, and whether that path merely vanished.

    The path is None if the line cannot be trusted to name it: names may hold anything.
    """
    match = _COMPLAINT.fullmatch(line)
    if not match or not _PLAIN.fullmatch(match["path"]):
        return None, line.startswith("find: ") and line.endswith(": No such file or directory")
    return match["path"], match["reason"] == "No such file or directory"


def beyond(
    walk: ClientWalk,
    tree: Tree,
    wanted: Callable[[str], bool],
    look: Callable[[str], Finding | None],
) -> Iterator[Finding]:
    """What `look` tells of the names that only the walk has, and what find complains of.

    Of a folder that only the walk has, no name is told. Through another tree, a name that SFTP
    denies says nothing. Raises WalkBroken, and as `look`.
    """
    within, denied = "/", list[Finding]()  # no name begins with a slash
    for path in walk.paths():
        name = path.strip("/") or "."
        if tree.knows(name) or name.startswith(within):
            continue
        within = name + "/"
        finding = look(name) if wanted(name) else None
        if finding and "denied" not in finding:
            yield finding
        elif finding and len(denied) <= MAX_TOLD:
            denied.append(finding)
    yield from denied if tree.walked() else ()
    for line in walk.said:
        about, vanished = complaint(line)
        name = (about or "").strip("/")
        if not vanished and (about is None or wanted(name)):
            yield {"absent": name, "why": line}
