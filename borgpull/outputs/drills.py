"""`data` of a restore drill: what was restored, what of it is proved, and what is not."""

from __future__ import annotations

from typing import Literal, TypedDict

from borgpull.outputs.lines import Nothing, Output

Outcome = Literal["pass", "differs", "could not verify", "outside limits", "error"]
# What of an entry is not as the client had it.
Kind = Literal[
    "missing",
    "extra",
    "type",
    "size",
    "content",
    "mode",
    "owner",
    "owner name",
    "time",
    "target",
    "hard link",
    "device",
    "xattr",
    "capability",
    "acl",
    "flags",
    "name clash",
]


class Share(TypedDict):
    """A number of files, and the bytes of their content."""

    files: int
    bytes: int


class Finding(TypedDict):
    """A difference between what was restored, or is in the archive, and what the client had."""

    path: str
    """Absolute, on the client."""
    kind: str
    """A word of `differs`."""
    expected: str
    """What the client had; shortened."""
    found: str


class Control(TypedDict):
    """A fault that the drill has made in its own copy, to see whether it is noticed."""

    kind: str
    """`byte`, `mode`, `owner`, `xattr`, `missing`, `extra`. No `xattr` if the backup has not told
    them."""
    seen: bool
    path: str
    """Where it was made."""


class Checked(TypedDict):
    """A check of the user's, run on the restored tree."""

    name: str
    command: str
    user: str
    image: str | None
    """Of the container that it ran in; null: the drill's own."""
    outcome: Outcome
    seconds: float
    detail: str
    """Why it is no pass; empty if it is."""
    output: str
    """The end of what it has printed, at most 4,096 characters."""


class Limit(TypedDict):
    """A limit that the user has set."""

    name: Literal["max_age", "max_restore_time"]
    limit: int
    """Seconds."""
    value: float
    """Seconds."""
    ok: bool


class Coverage(TypedDict):
    """How much of a client's content drills have proved in the last days."""

    days: int
    proved: Share
    """Files of this archive whose content a drill of these days has proved, this one included."""
    all: Share
    """All files of this archive."""
    oldest_unproved: str | None
    """Since when the content that has waited longest is there unproved: ISO 8601, in UTC. null if
    all is proved."""


class Past(TypedDict):
    """An earlier drill, in few words."""

    number: int
    when: str
    """Its begin: ISO 8601, in UTC."""
    outcome: Outcome
    archive: str
    how: str
    sample: str | None
    restore_seconds: float | None
    restored: Share
    proved: Share
    unproved: Share
    coverage: Coverage | None


class Drill(TypedDict):
    """A drill that has come to its end, whatever its outcome."""

    format: Literal[1]
    client: str
    number: int
    """Drills of a client are counted; 0 if it could not be counted."""
    outcome: Outcome
    reasons: list[str]
    """Why it is no pass: one sentence each, the gravest first."""
    when: str
    """Its begin: ISO 8601, in UTC."""
    seconds: float
    """Wall clock, by a clock that never jumps."""
    chosen: str
    """How the archive was chosen: `latest`, `oldest`, `random:30d`, or its name."""
    archive: str | None
    archive_id: str | None
    archive_time: str | None
    """ISO 8601, in UTC."""
    age: float | None
    """Seconds from the archive's time to the drill's begin."""
    how: str
    sample: str | None
    """`3/14`: the third of fourteen parts; null: all."""
    restore_seconds: float | None
    """How long the restore alone took. The page cache may have been warm."""
    entries: int
    """Of the manifest, all of which were compared with the archive's listing."""
    restored: Share
    proved: Share
    """Files whose restored content is what the client had."""
    unproved: Share
    """Restored files of which nobody knows what the client had: neither a pass nor a difference."""
    unproved_why: dict[str, int]
    """Files by reason: `changed` while they were read, `not hashed`."""
    differs: dict[str, int]
    """Findings by kind."""
    findings: list[Finding]
    """The first 1,000."""
    notes: list[str]
    """What is no failure, and should be known."""
    control: list[Control]
    """Empty if the drill did not come to it."""
    checks: list[Checked]
    limits: list[Limit]
    isolated: bool | None
    """Was there no way out to any network? null: not looked."""
    coverage: Coverage | None
    manifest: int | None
    """Its number."""
    versions: dict[str, str]
    """Of borgpull and borg."""


class Reported(Drill):
    """With what a report needs beside it."""

    history: list[Past]
    """The last drills of this client, the oldest first, without this one."""
    signature: str
    """Of the drill's record (`ssh-keygen -Y sign`); empty if it could not be signed, or if the
    drill has failed by itself since."""
    public_key: str
    """The line of `allowed_signers` that it is verified by."""


class Demonstrated(TypedDict):
    """Two drills of backups that were made for it."""

    good: Reported
    spoilt: Reported
    """Of a copy of the same repository, in which one bit is wrong."""


class History(TypedDict):
    """The drills of a client, the oldest first."""

    drills: list[Past]
    last_run: str | None
    """When the last one began, even if it never came to its end."""
    last_good: str | None
    """When the last one passed."""


# A row a verb.
ROWS: dict[str, Output] = {
    "drill": Output(data=Reported, failed=Reported | Nothing),
    "demo": Output(data=Demonstrated, failed=Demonstrated | Nothing),
    "drills": Output(data=History),
}
