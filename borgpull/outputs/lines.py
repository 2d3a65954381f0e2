"""The lines of every command: what they hold beside `borgpull` and `event`."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple, NotRequired, TypedDict

PhaseName = Literal[
    "wait",
    "init",
    "connect",
    "create",
    "extract",
    "read",
    "verify",
    "serve",
    "prune",
    "compact",
    "guard",
    "check",
]


class Phase(TypedDict):
    """The next step begins."""

    name: PhaseName
    text: str
    """For people."""


class BackupProgress(TypedDict):
    """How far a backup is."""

    files: int
    bytes: int
    """The content of these files."""
    new_bytes: int
    """What the repository has grown by."""
    path: str
    """The path that is being read."""
    total_files: int | None
    """The files of the last run; null if unknown."""


class RestoreProgress(TypedDict):
    """How far a restore is."""

    files: int
    """The item that the bytes reach."""
    bytes: int
    path: str
    """The path that is being written."""
    total_files: int
    """The items that are going to be restored."""
    total_bytes: int


class Note(TypedDict):
    """Something that people should know. A warning is about something that may be wrong."""

    text: str
    path: NotRequired[str]
    """The path that it is about, absolute."""


class Debug(TypedDict):
    """What borg has said."""

    text: str


class Failure(TypedDict):
    """Why a command failed."""

    exit_code: int
    """The command's exit code."""
    error: str
    """The name of the error, which does not change with the text."""
    message: str
    hint: str
    """What to do."""


class Nothing(TypedDict):
    """`data` of a command that failed before it had any."""


class Done(TypedDict):
    """The last line of a command that has done all it was to do."""

    verb: str
    client: str
    """The client's name; empty for a command without one."""
    ok: Literal[True]
    failure: None
    data: Any
    """What the verb has to tell."""


class Failed(TypedDict):
    """The last line of a command that failed."""

    verb: str
    client: str
    """The client's name; empty if it was not known yet."""
    ok: Literal[False]
    failure: Failure
    data: Any
    """Empty, unless the verb has something to tell of its failure."""


# The events that every verb may have. `item` and `result` are a verb's own.
EVENTS: dict[str, Any] = {
    "phase": Phase,
    "progress": BackupProgress | RestoreProgress,
    "note": Note,
    "warning": Note,
    "debug": Debug,
}


class Output(NamedTuple):
    """What a verb's lines hold that no other verb's do: types, or unions of types."""

    data: Any  # of a result that is `ok`; None if there is none
    failed: Any = Nothing  # `data` of a result with a failure
    item: Any = None  # its `item` events
