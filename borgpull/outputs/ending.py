"""What the file of `--result-file` holds: the end of a command, in few bytes."""

from __future__ import annotations

from typing import Literal, TypedDict


class Ending(TypedDict):
    """How a command has ended: one JSON object of at most 4,096 bytes, in ASCII. Long texts are cut
    and end with an ellipsis. What is unprintable in them is written as an escape."""

    borgpull: Literal[1]
    """The version of this format."""
    verb: str
    """Empty if the command line names none."""
    client: str
    """The client's name; empty for a command without one, or if it was not known yet."""
    ok: bool
    """Is the exit code 0?"""
    exit_code: int
    error: str | None
    """The name of the error, which does not change with the text; null if there is none: stock
    borg has ended with a code of its own, the command was killed, or its output was closed."""
    message: str
    hint: str
    """What to do."""
    archive: str | None
    """The archive that was made or restored; null if there is none, or if the command failed."""
    verified: bool
    """Is `archive` a new verified archive? (A backup that ends with 65 names one in `message`.)"""
    dry_run: bool
    warnings: int
    """How many warnings there were."""
    seconds: float
    """Wall clock."""
    when: str
    """The time of the end: ISO 8601, in UTC."""
