"""What the guard says of a backup, and of a client."""

from __future__ import annotations

from typing import Literal, TypedDict

Rule = Literal[
    "files",
    "bytes",
    "gone",
    "turned",
    "turned_bytes",
    "rewritten",
    "slow",
    "unreadable",
    "emptied",
]


class Finding(TypedDict):
    """A loss that no ordinary day brings."""

    rule: Rule
    """`files`, `bytes`: fewer than there mostly were. `gone`: files whose content is nowhere.
    `turned`, `turned_bytes`: what could be compressed, and cannot be any more. `rewritten`: other
    contents. `slow`: what has turned in all of the last runs. `unreadable`: paths. `emptied`: a
    folder without any file, which had some."""
    value: int
    """Files, bytes or paths."""
    median: int
    """Of the last good runs."""
    limit: int
    """From here on, `value` is a finding."""
    text: str
    """The same for people."""


class Guard(TypedDict):
    """What the guard found in a run."""

    state: Literal["good", "first", "tripped", "not guarded"]
    """`first`: there was nothing to compare with. `not guarded`: nobody has looked; `why` says so.
    `tripped`: it found something, and nothing of the client is removed until somebody accepts."""
    why: str
    """Empty if it was compared."""
    runs: int
    """The good runs that it was compared with."""
    findings: list[Finding]
    frozen: bool
    """Is the client frozen, by this run or by an earlier one?"""


class Frozen(TypedDict):
    """A client of which nothing is removed until `acknowledge CLIENT --reason TEXT`."""

    since: str
    """ISO 8601, in UTC."""
    archive: str
    """The archive whose run has tripped the guard first."""
    findings: list[Finding]


class Lifted(TypedDict):
    """A user has looked, and lets archives be removed again."""

    reason: str
    frozen: Frozen
