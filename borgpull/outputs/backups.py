"""`data` of a backup."""

from __future__ import annotations

from typing import Annotated, Literal, NotRequired, TypedDict

from borgpull.outputs.guard import Guard
from borgpull.outputs.lines import Nothing, Output
from borgpull.verbs import METHODS

TypeLetter = Literal["-", "d", "l", "p", "b", "c"]
Reader = Literal["python", "find", "busybox", "sftp"]
Uncarried = Literal["hard_links", "devices", "sockets", "xattrs_and_acls", "times"]


class Mount(TypedDict):
    """A mount of the client that is not in the archive."""

    path: str
    fstype: str
    """The type of its file system; `unknown` if the client does not tell."""
    asked: NotRequired[Literal[False]]
    """It may hold data that the user wants: there is a warning, too. Name it as a path."""


class Reread(TypedDict):
    """Unchanged files that were read once more."""

    files: int
    bytes: int
    differs: list[str]
    """Files whose content is another one, though no time and no size has changed. They are saved as
    they are now."""


class ReadBack(TypedDict):
    """Chunks that the run has put into the repository, and then read from there. Each one was
    decrypted, unpacked, and compared with the hash of its content."""

    chunks: int
    bytes: int
    """Of their content."""
    new: int
    """All chunks that the run has put there."""


class Tagged(TypedDict):
    """Folders that were left out because of a tag in them."""

    folders: int
    paths: list[str]
    """The first 20. With `--keep-exclude-tags`, these folders and their tags are saved."""


class Manifest(TypedDict):
    """What the server keeps of what the client had, to compare a restore with."""

    number: int
    """It only grows, from one backup of a client to the next."""
    entries: int
    hashed: int
    """Files whose content it has a SHA-256 of: all that can be known by `stream`, else more in each
    run, until few are left."""
    unsure: int
    """Entries that changed during the run, so that nothing can be held against their restore."""
    reader: NotRequired[Reader]
    """What has listed the client."""
    earlier: NotRequired[int]
    """Of those that are hashed: files that an earlier run has hashed. Their inode, size and ctime
    are the same since."""
    differs: NotRequired[list[str]]
    """The first 20 files that were hashed once more, and have another content, though their inode,
    size and ctime are the same. A disk may be bad. The manifest has what they are now."""
    missing: NotRequired[list[str]]
    """The first 20 paths that are on the client, and not in the archive."""


class Saved(TypedDict):
    """A verified archive."""

    archive: str
    """The final name."""
    archive_id: str
    """borg's id before the renaming."""
    items: Annotated[dict[str, int], TypeLetter]
    """Items of the archive by borg's type letter: `-` files, `d` folders, `l` symlinks, `p` FIFOs,
    `b` and `c` devices. With borg on the client it is what borg there has counted."""
    bytes: int
    """The content of all files. With a borg on the client before 1.4.2 its metadata, too."""
    files_read: int
    """Files that were read."""
    read_paths: list[str]
    """The first 20 of those; empty for the first archive, for which all are read."""
    files_unchanged: int
    """Files that the files cache knew."""
    new_bytes: int
    """What the repository grew by (borg's deduplicated size)."""
    changed: list[str]
    """Files that changed during the run (size, time or type is another afterwards): in the archive,
    perhaps inconsistent; or deleted since."""
    came: list[str]
    """Paths that came to be on the client during the run, and are not in the archive."""
    vanished: list[str]
    """Paths that were deleted on the client before they were read, and are not in the archive."""
    listings: Literal["checked", "not checked"]
    """`checked`: all names on the client are in the archive, but for those that were not asked for.
    `not checked`: SFTP's listings were believed, because the login has no shell, or one that walks
    through another tree. Or the client's find is not GNU's: busybox's does not tell that a folder's
    listing broke off."""
    allowed_unreadable: list[str]
    """Paths that are missing, as allowed."""
    left_out: list[Mount]
    """Mounts that were left out. Disks below one are saved, and not among these. None where
    `authorize --client-borg` has limited the key."""
    losses: Annotated[dict[str, int | None], Uncarried]
    """Files by what cannot be stored of them; null if not counted. `hard_links`, `devices`,
    `sockets` by SFTP only; `xattrs_and_acls` by SFTP, else the extended attributes that borg on
    the client could not read; `times`: before 1970 or after 2038-01-17T03:14:07Z,
    which borg cannot store."""
    paths: list[str]
    """As asked for."""
    reader: NotRequired[Reader]
    """By stream only: what has read the client's files."""
    reread: NotRequired[Reread]
    """By `--reread` only."""
    read_back: NotRequired[ReadBack]
    """By stream only: `--read-back` gives the share."""
    sent_bytes: NotRequired[int]
    """By stream only: the bytes that the reader has sent."""
    tagged: NotRequired[Tagged]
    """By `--exclude-caches` and `--exclude-if-present` only."""


class Backup(Saved):
    """A backup that has ended well."""

    manifest: Manifest | None
    """null if none could be made. Then there is a warning, and a drill of this archive cannot prove
    anything."""
    seconds: float
    """Wall clock."""
    guard: Guard
    """What the guard has found. If it has tripped, the run ends with 58, and its archive stays."""


class BackupDryRun(TypedDict):
    """What a backup would do."""

    dry_run: Literal[True]
    items: int
    """How many would be saved."""
    left_out: list[Mount]
    """Mounts that would be left out."""
    tagged: NotRequired[Tagged]
    """By `--exclude-caches` and `--exclude-if-present` only."""


# A row a verb.
ROWS: dict[str, Output] = {
    **dict.fromkeys(METHODS, Output(data=Backup | BackupDryRun, failed=Backup | Nothing)),
    "serve": Output(data=None),
}
