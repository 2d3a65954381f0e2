"""`data` of a restore."""

from __future__ import annotations

from typing import Annotated, Literal, TypedDict

from borgpull.outputs.lines import Nothing, Output

How = Literal["stream", "native", "chroot", "numeric", "tar", "local"]
# What the user at the target may not restore, and what a way cannot carry.
Cannot = Literal[
    "owners",
    "devices",
    "fifos",
    "xattrs",
    "acls",
    "flags",
    "link_owners",
    "epoch_times",
    "far_times",
    "link_times",
    "folder_times",
    "fine_times",
    "rounded_times",
]
# What is looked for afterwards.
Different = Literal[
    "missing",
    "types",
    "sizes",
    "modes",
    "times",
    "owners",
    "hard_links",
    "targets",
    "flags_not_known",
    "acls_not_known",
    "xattrs_not_known",
]


class Planned(TypedDict):
    """What a restore is about."""

    archive: str
    how: Annotated[str, How]
    to: str
    """Where to."""
    items: int
    """Of what was asked for."""
    bytes: int
    """The content of these items."""
    skipped: int
    """Files that are right already (`--overwrite changed`)."""
    overwritten: int
    """What was there."""
    overwritten_paths: list[str]
    """The first 20 of those."""
    cannot: Annotated[dict[str, int], Cannot]
    """Items by what is known before. What the user at the target may not restore: `owners`,
    `devices`. What the way cannot carry: `devices`, `fifos`, `xattrs`, `acls`, `flags`,
    `link_owners`, `epoch_times` (time 0), `far_times` (before 1970, or after
    2106-02-07T06:28:15Z); and, without being a failure, `link_times`,
    `folder_times`, `fine_times` (below a second), `rounded_times` (to the next second)."""


class RestoreDryRun(Planned):
    """What a restore would do."""

    dry_run: Literal[True]


class Restore(Planned):
    """A restore that has come to its end. It failed (80, 81) if not all is as in the archive."""

    not_restored: Annotated[dict[str, int], Cannot | Different]
    """Items by what is not as in the archive afterwards: what the way could not carry, `missing`,
    `types`, `sizes`, `modes`, `times`, `owners`, `hard_links`, `targets` (of symlinks, in a tar
    file), `flags`, `acls` and `xattrs` (by `stream`, `native`, and by `local` into a folder),
    `flags_not_known`, `acls_not_known` and `xattrs_not_known` (the target could not be asked)."""
    not_restored_paths: list[str]
    """The first 20, with their kinds."""
    warnings: list[str]
    """The first 20 of borg's, or of the target's tar."""
    seconds: float
    """Wall clock."""


# A row a verb.
ROWS: dict[str, Output] = {
    "restore": Output(data=Restore | RestoreDryRun, failed=Restore | Nothing),
}
