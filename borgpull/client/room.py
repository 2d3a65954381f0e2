"""Room on the client for our folder: what it must hold, and the error if it does not fit."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Sequence
from typing import Literal, NamedTuple, cast

from borgpull.addresses import Target
from borgpull.errors import BorgpullError, ClientFull, ClientUnsuitable, DiskFull
from borgpull.ssh.words import clean

# In kilobytes, for an empty cache. borg changes a copy of its cache (borg 1.4.5, cache.py,
# begin_txn), and writes a new files cache beside the old one, hence COPIES.
SMALLEST = 4_000
COPIES = 3
# Megabytes, with the runtime. For messages; folder.sh has the same figure.
WITH_PROGRAMS = 70
# Folders that are shown: a client may name any number.
TOLD = 10
_REFUSED = re.compile(r"(full|noexec|closed) ([0-9]{1,15}) (/.{0,300})")
HINT = (
    "make room in one of TMPDIR, /tmp, /var/tmp, /dev/shm, /run or ~/.cache there (with "
    "--keep-runtime: /var/cache, ~/.cache, /var/tmp); or use sshfs, which needs none"
)


class Refused(NamedTuple):
    """A folder of the client that has no room for ours, and the free megabytes in it."""

    why: Literal["full", "noexec", "closed"]
    free: int
    base: str


def room_for(cache: int) -> int:
    """Kilobytes that borg needs beside programs, if its cache took `cache` bytes before."""
    return SMALLEST + COPIES * cache // 1000


def read(texts: Sequence[str]) -> tuple[Refused, ...]:
    """Read lines `WHY KILOBYTES FOLDER` of `folder.sh`, each one once."""
    matches = [match for text in texts if (match := _REFUSED.fullmatch(text))]
    found = [
        Refused(cast("Literal['full', 'noexec', 'closed']", kind), int(free) // 1000, clean(base))
        for kind, free, base in (match.groups() for match in matches)
    ]
    return tuple(dict.fromkeys(found))[:TOLD]


def no_place(target: Target, refused: Sequence[Refused]) -> BorgpullError:
    """The error if there is no folder for us: ClientFull if room would help, ClientUnsuitable."""
    full = [item for item in refused if item.why == "full"]
    if full:
        some = ", ".join(f"{item.base} ({item.free} MB free)" for item in full)
        return ClientFull(f"{target} has no room for us: {some}", hint=HINT)
    return ClientUnsuitable(
        f"{target} has no folder for us that may hold programs",
        hint=f"it needs {WITH_PROGRAMS} MB in one of TMPDIR, /tmp, /var/tmp, /dev/shm or /run that "
        "is not mounted noexec; or a borg of its own (1.4.1, or older by --client-borg); or use "
        "sshfs",
    )


def full(target: Target, folder: str, text: str = "") -> ClientFull:
    """The error for a full folder on the client."""
    return ClientFull(f"{folder} on {target} is full{': ' if text else ''}{clean(text)}", hint=HINT)


class WhoseDisk(contextlib.ContextDecorator):
    """Turns borg's error of a full disk on the client into ClientFull: it is not the server's."""

    def __init__(self, target: Target, folder: str) -> None:
        self.target, self.folder = target, folder

    def __enter__(self) -> None:
        pass

    def __exit__(self, _type: object, error: BaseException | None, _trace: object) -> None:
        """Raises ClientFull instead of such an error."""
        if isinstance(error, DiskFull) and error.own:
            raise full(self.target, self.folder) from None
