"""`data` and items of the verbs that look after a repository: prune, check, status of folders."""

from __future__ import annotations

from typing import TypedDict

from borgpull.outputs.guard import Frozen
from borgpull.outputs.lines import Output


class PrunedArchive(TypedDict):
    """A verified archive, and whether it stays; told before any is removed."""

    archive: str
    time: str
    """When it was made: ISO 8601, with its offset."""
    id: str
    """borg's id."""
    kept_by: str | None
    """The rule that keeps it and how many it had kept by then, as `borg prune --list` has it:
    `daily #3`. If no rule does: `newest` is the newest one, and `proved` the newest that has passed
    a drill. null: it goes."""


class Pruned(TypedDict):
    """What a prune has removed, or would."""

    dry_run: bool
    removed: list[str]
    """The names of the archives that are gone; of a dry run, of those that would go."""
    kept: int
    """The verified archives that are left; of a dry run, that would be."""


class Checked(TypedDict):
    """A repository was checked, and is whole."""

    verify_data: bool
    """Was all content read?"""
    archives: int
    verified: int
    """How many of these are verified."""


class Good(TypedDict):
    """When something last ended well."""

    time: str | None
    """ISO 8601, in UTC; null: never, as far as is known."""
    age: int | None
    """Seconds since then."""
    max_age: int | None
    """The seconds that are allowed; null if there is no limit."""
    ok: bool


class Client(TypedDict):
    """What is known of a client."""

    client: str
    repository: bool
    """Is there a repository?"""
    ok: bool
    """Is it green?"""
    backup: Good
    """Of the last verified archive, whatever became of it since."""
    prune: Good
    check: Good
    drill: Good
    """Of the last drill that has passed, of whatever part of an archive."""
    last_drill: str | None
    """When the last drill began, however it has ended: ISO 8601, in UTC; null: never."""
    guard: str | None
    """What the guard has said of the last backup: `good`, `first`, `tripped`, `not guarded`; null:
    nothing yet."""
    frozen: Frozen | None
    """What the guard has found: nothing of the client is removed. null if it has not tripped."""
    unreadable: str | None
    """Why the ledger cannot be read; null if it can."""


class Status(TypedDict):
    """The clients, by their names. It failed if one is not `ok`."""

    clients: list[Client]


# A row a verb.
ROWS: dict[str, Output] = {
    "prune": Output(data=Pruned, item=PrunedArchive),
    "check": Output(data=Checked),
}
