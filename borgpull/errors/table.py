"""The table of exit codes: what each one means, and whether a later try can cure it."""

from __future__ import annotations

from typing import NamedTuple

from borgpull.errors.base import BorgpullError, Interrupted, Told


class Row(NamedTuple):
    """An exit code, what happened, and whether a later try can cure it."""

    code: int
    summary: str
    retry: bool


# A node that is drained or an engine that stops sends SIGTERM, and SIGKILL to what stays. The
# kernel kills for want of memory, too. Nobody who runs a job by hand ends it like this.
FROM_OUTSIDE = (
    Row(137, "killed from outside (SIGKILL); the engine tells of it, as borgpull cannot", True),
    Row(143, "ended from outside (SIGTERM)", True),
)


def all_errors() -> list[type[Told]]:
    """Every error that a user can meet, by exit code."""
    return sorted([*BorgpullError.__subclasses__(), Interrupted], key=lambda cls: cls.exit_code)


def rows() -> list[Row]:
    """Every exit code but 0 and those of other signals, sorted."""
    classes: list[type[Told]] = [BorgpullError, *all_errors()]
    ours = [Row(cls.exit_code, cls.summary, cls.retry) for cls in classes]
    return sorted([*ours, *FROM_OUTSIDE])


def retried() -> tuple[int, ...]:
    """The exit codes that a later try can cure, sorted.

    137 and 143 are among them. 137 is no class of ours: it is what a container engine or a shell
    says of a process that SIGKILL has ended.
    """
    return tuple(row.code for row in rows() if row.retry)
