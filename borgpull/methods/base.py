"""What a method offers to a backup."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from borgpull.borg import repository
from borgpull.borg.command import Borg
from borgpull.borg.create import Created, Order
from borgpull.borg.inside.readback import ReadBack
from borgpull.borg.inside.reads import Reads
from borgpull.events import Emit
from borgpull.jobs import Backup
from borgpull.outputs.backups import Manifest, Mount, Reader, Reread, Tagged
from borgpull.verbs import VERBS

# To be called once the client is busy: what comes later is loaded then, and this number of borgs
# started (`Borg.start_spares`).
Ahead = Callable[[int], None]


# Takes the list of archives, from a method that has read it, or None.
Ready = Callable[[list[dict[str, Any]] | None], None]


def lists_archives(job: Backup) -> bool:
    """Does the borg that is to save list the archives, too?"""
    return VERBS[job.verb].lists and not job.dry_run


def not_ahead(_number: int) -> None:
    """Nothing is begun ahead."""


class Verdict(NamedTuple):
    """What the verification of a new archive found; paths as in the archive."""

    done: Created  # what was verified
    counts: dict[str, int]  # items by borg's type letter
    cut: tuple[str, ...] = ()  # shorter in the archive than on the client
    changed: tuple[str, ...] = ()  # written to during the run
    lost: tuple[str, ...] = ()  # on the client, not in the archive: absolute, with the reason
    came: tuple[str, ...] = ()  # on the client since the run began, not in the archive
    vanished: tuple[str, ...] = ()  # listed, and gone before it was looked at: not in the archive
    size: int = 0  # bytes of all regular files
    times: int = 0  # items whose time the archive cannot hold, as far as SFTP shows
    listings: bool = True  # is it known that no name was missing from a folder's listing?


class Source(ABC):
    """An open client: what a backup can do with it.

    The types give the order of its methods: only a created archive can be verified, and only a
    verified one gets its name.
    """

    # Could the client reach the repository meanwhile? Then it may have changed its list.
    client_could_write: bool
    left_out: tuple[Mount, ...]  # mounts of the client that are not in the archive
    empty: tuple[str, ...]  # named folders known to hold nothing that borg saves
    reader: Reader | None = None  # of stream: what has read the files
    reread: Reread | None = None  # of stream, if it was wanted
    read_back: ReadBack | None = None  # of stream: what was read back of what was written
    sent_bytes: int | None = None  # of stream: what the client has sent
    reads: Reads | None = None  # of stream: the files that were read
    tagged: Tagged | None = None  # of stream, if tags were looked for

    @abstractmethod
    def alive(self) -> bool:
        """Does the connection still stand?"""

    @abstractmethod
    def create(self, order: Order, ahead: Ahead = not_ahead) -> Created:
        """Make an archive. `ahead` is called once the client is busy and this server is not.

        Raises ConnectionLost, borg's errors.
        """

    @abstractmethod
    def verify(self, done: Created) -> Verdict:
        """Compare the archive with the client. Raises ConnectionLost, VerificationFailed."""

    @abstractmethod
    def rename(self, verdict: Verdict, name: str) -> None:
        """Give the verified archive its name. Raises ConnectionLost, borg's errors."""

    def row(self, borg: Borg, name: str) -> dict[str, Any] | None:
        """The archive's row, once borg has read the list and the archive anew; None if missing.

        Raises BorgFailed if borg cannot read it.
        """
        return repository.opened(borg, name)

    @abstractmethod
    def there_again(self, paths: Sequence[str]) -> list[str]:
        """The (relative) paths that are on the client, or may be. Raises ConnectionLost."""

    @abstractmethod
    def losses(self) -> dict[str, int | None]:
        """What this method cannot carry: number of files by kind; None if they were not counted."""

    def book(self, archive: str, archive_id: str) -> None:  # noqa: B027 - stream has done so
        """Begin to make the manifest of an archive that is recorded; `manifest` waits for it."""

    @abstractmethod
    def manifest(self) -> Manifest | None:
        """What is kept of the archive's manifest; None if no key lets anybody make one.

        Raises BorgpullError if there should be one.
        """

    def accept(self) -> None:  # noqa: B027 - most learn nothing
        """Keep what the run has learnt, for the next run."""


class SourceOpener(Protocol):
    def __call__(
        self, job: Backup, borg: Borg, folder: Path, emit: Emit, ready: Ready
    ) -> AbstractContextManager[Source]:
        """`ready` is called before anything of the client can reach the repository."""
