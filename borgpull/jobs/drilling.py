"""The kinds of jobs of restore drills."""

from __future__ import annotations

from dataclasses import dataclass

from borgpull.errors import UsageError
from borgpull.jobs.base import Job, Locking
from borgpull.jobs.parts import DrillCheck
from borgpull.verbs import WAYS
from borgpull.ways import DRILLED


@dataclass(frozen=True, kw_only=True)
class Scratching(Job):
    """A job that restores into a folder which is gone afterwards. Raises UsageError."""

    how: str = "local"  # one of DRILLED
    network: bool = False  # may there be a way out?
    scratch: str = "/scratch"  # the folder, in the container
    memory: int | None = None  # bytes that the container may use

    def __post_init__(self) -> None:
        if self.how not in DRILLED:
            raise UsageError(f"not a way to restore in a drill: {self.how!r}")


@dataclass(frozen=True, kw_only=True)
class Drill(Locking, Scratching):
    """An archive is restored into a scratch folder, and compared with what the client had."""

    verb: str = "drill"
    archive: str = "latest"  # or `oldest`, `random:30d`, a name
    sample: int | None = None  # into how many parts the files are divided; None for all at once
    checks: tuple[DrillCheck, ...] = ()
    max_age: int | None = None  # seconds
    max_restore_time: int | None = None  # seconds
    max_unproved: float = 0.01  # share of the files, and of the bytes

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.checks and WAYS[self.how].fuse:  # no restored program runs where it may mount
            hint = "drill by another way for the checks"
            raise UsageError(f"a drill by {self.how} runs no checks", hint=hint)
        if self.scratch.startswith("tmpfs:") and any(check.image for check in self.checks):
            hint = "leave --scratch out, or name a folder or a volume"
            raise UsageError("no other container can see a scratch in memory", hint=hint)


@dataclass(frozen=True, kw_only=True)
class Demo(Scratching):
    """A drill of a good and of a spoilt backup, which are made for it."""

    verb: str = "demo"


@dataclass(frozen=True, kw_only=True)
class Drills(Job):
    """What the drills of a client have found."""

    verb: str = "drills"
