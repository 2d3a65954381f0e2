"""The job of all methods."""

from __future__ import annotations

from dataclasses import dataclass, field

from borgpull.jobs.base import Locking
from borgpull.jobs.parts import Access, Route, Skips
from borgpull.trees.folders import roots


@dataclass(frozen=True, kw_only=True)
class Backup(Locking):
    """An archive of a client, by a method."""

    access: Access
    paths: tuple[str, ...] = ("/",)  # on the client, absolute
    archive: str | None = None  # its name, with borg's placeholders or not; None for CLIENT-TIME
    init: bool = False  # is the repository made if there is none?
    encryption: str = "repokey-blake2"  # of a repository that is made
    compression: str = "lz4"
    exclude: tuple[str, ...] = ()  # borg's patterns
    allow_unreadable: tuple[str, ...] = ()  # paths on the client
    dry_run: bool = False
    # For stream:
    skips: Skips = field(default_factory=Skips)
    numeric_ids: bool = False  # are owners saved by their numbers only?
    limit_rate: int | None = None  # bytes a second from the client
    compress_link: str = "auto"  # does the helper pack what it sends? One of COMPRESS_LINK
    # For the methods with borg on the client:
    keep_runtime: bool = False
    checkpoint_interval: int = 1800  # seconds, as borg has it
    connect_back: str | None = None  # HOST:PORT, as the client reaches us
    reread: int | None = None  # of stream: one in so many unchanged files is read once more
    read_back: int = 64  # of stream: one in so many new chunks is read from the repository
    reader: str | None = None  # of stream: a name of READERS; None: the first that the client has

    @property
    def roots(self) -> tuple[str, ...]:
        """The paths for borg to walk: without those that lie in another one."""
        return roots(self.paths)

    def reaches(self) -> Route:
        return self.access
