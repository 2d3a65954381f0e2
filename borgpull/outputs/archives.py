"""`data` and items of the verbs on a client's repository and its archives."""

from __future__ import annotations

from typing import Annotated, Literal, NotRequired, TypedDict

from borgpull.outputs.guard import Lifted
from borgpull.outputs.lines import Output

Standing = Literal["verified", "unverified", "stranger", "not_known"]


class Archive(TypedDict):
    """An archive of the repository."""

    name: str
    time: str
    """When it was made: ISO 8601, with its offset."""
    id: str
    """borg's id."""
    standing: Annotated[str, Standing]
    """`verified`: by a run of this server, or adopted. `unverified`: of a run that did not come to
    its end. `stranger`: no verified run made it. `not_known`: it is older than the ledger."""
    verified: bool
    """Is it a backup?"""


class Vanished(TypedDict):
    """A verified archive that is not in the repository any more, or not as it was recorded."""

    name: str
    id: str | None
    """null if it was not known."""
    time: str
    """When it was recorded: ISO 8601, in UTC."""
    replaced: bool
    """Has another archive its name, or has it another time in the list than it had?"""


class ArchiveList(TypedDict):
    """The archives of a client (`list CLIENT`)."""

    archives: list[Archive]
    """The oldest first."""
    vanished: list[Vanished]


class ArchiveItems(TypedDict):
    """The items of an archive are out (`list CLIENT ARCHIVE`)."""

    archive: str


class Item(TypedDict):
    """An item of an archive, as `borg list --json-lines` has it."""

    type: str
    """The first letter of `ls -l`."""
    mode: str
    """As `ls -l` has it; it begins with `h` for a later name of a hard link."""
    user: str | int
    """The number where there is no name."""
    group: str | int
    uid: int
    gid: int
    path: str
    """Without a slash in front. A byte that is no text is a question mark."""
    healthy: bool
    """false: `borg check --repair` has put zeros in its place."""
    source: str
    """What a symlink points at, or the first name of a hard link; else empty."""
    linktarget: str
    """The same."""
    flags: int
    """Of chattr(1), as borg stores them."""
    mtime: str
    """ISO 8601, with its offset."""
    size: int


class FoundItem(Item):
    """An item that matches the pattern."""

    archive: str
    """The archive that has it."""


class Found(TypedDict):
    """What `find` has found."""

    found: int
    archives: int
    """How many were looked through."""


class Change(TypedDict):
    """One change, as `borg diff` has it."""

    type: str
    """`added`, `removed`, `modified`, `owner`, `mode`, `ctime`, `mtime`, `added directory`,
    `removed directory`, `changed link`, and so on for links, FIFOs and devices."""
    size: NotRequired[int]
    added: NotRequired[int]
    """Bytes."""
    removed: NotRequired[int]
    """Bytes."""
    old_user: NotRequired[str | None]
    new_user: NotRequired[str | None]
    old_group: NotRequired[str | None]
    new_group: NotRequired[str | None]
    old_mode: NotRequired[str]
    """As `ls -l` has it."""
    new_mode: NotRequired[str]
    old_ctime: NotRequired[str]
    """ISO 8601, with its offset."""
    new_ctime: NotRequired[str]
    old_mtime: NotRequired[str]
    new_mtime: NotRequired[str]


class DiffedItem(TypedDict):
    """A path that differs, as `borg diff --json-lines` has it."""

    path: str
    changes: list[Change]


class Diffed(TypedDict):
    """What `diff` has compared."""

    archives: list[str]
    """The names of the two."""
    differences: int


class BrowsedItem(TypedDict):
    """A name in the folder of `--path`, or the file of that name."""

    type: str
    """The first letter of `ls -l`."""
    mode: str
    """As `ls -l` has it. A folder that is no item of the archive, because only something below it
    was saved, has question marks here, and null for owners and `mtime`."""
    user: str | int | None
    """The number where there is no name."""
    group: str | int | None
    uid: int | None
    gid: int | None
    path: str
    """Without a slash in front. Names are as they are: a byte that is no text is a lone surrogate
    (`\\udce9` for E9)."""
    size: int
    """Of a folder: of all files below it. Each name of a hard link counts."""
    mtime: str | None
    """ISO 8601, with its offset; null, too, for what is no date at all."""


class BrowsedPath(TypedDict):
    """A path of an archive was listed."""

    archive: str
    path: str
    bytes: int
    """Of all below the path."""
    items: int
    """How many are listed."""


class CacheStats(TypedDict):
    """borg's sums over all archives."""

    total_size: int
    total_csize: int
    unique_size: int
    unique_csize: int
    """What the repository holds, compressed and deduplicated."""
    total_unique_chunks: int
    total_chunks: int


class Cache(TypedDict):
    """borg's cache of the repository."""

    path: str
    stats: CacheStats


class Encryption(TypedDict):
    """How the repository is encrypted."""

    mode: str
    keyfile: NotRequired[str]


class Repository(TypedDict):
    """borg's word on the repository."""

    id: str
    last_modified: str
    """ISO 8601, with its offset."""
    location: str


class Counts(TypedDict):
    """Archives by their standing."""

    verified: int
    unverified: int
    strangers: int
    not_known: int
    latest: str | None
    """The newest verified one; where nothing is verified, the newest that is not known."""
    vanished: int


class Info(TypedDict):
    """As `borg info --json` has it, but for the archives."""

    repository: Repository
    encryption: Encryption
    cache: Cache | None
    """null while a run uses the repository."""
    security_dir: NotRequired[str]
    """Missing while a run uses the repository."""
    archives: Counts


class Acknowledged(TypedDict):
    """The archives that the user has accepted, adopted or deleted."""

    acknowledged: list[Vanished]
    adopted: list[str]
    """Archives that count from now on."""
    deleted: list[str]
    """Archives that were deleted."""
    lifted: Lifted | None
    """What the guard had found, and why it is right; null if the client was not frozen."""


class Initialized(TypedDict):
    """A repository was made."""

    repository: str
    encryption: str
    reminder: str
    """What to keep somewhere else."""


class Tidied(TypedDict):
    """What killed runs had left."""

    freed: list[str]
    """The clients whose repositories were locked."""


# A row a verb.
ROWS: dict[str, Output] = {
    "browse": Output(data=BrowsedPath, item=BrowsedItem),
    "find": Output(data=Found, item=FoundItem),
    "diff": Output(data=Diffed, item=DiffedItem),
    "init": Output(data=Initialized),
    "list": Output(data=ArchiveList | ArchiveItems, item=Item),
    "info": Output(data=Info),
    "acknowledge": Output(data=Acknowledged),
    "tidy": Output(data=Tidied),
}
